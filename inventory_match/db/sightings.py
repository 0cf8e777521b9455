"""What was seen in a photo, one row a region, with everything needed to replay the decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pgvector import HalfVector
from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from inventory_match.domain.counting import Answer
from inventory_match.domain.matching import Candidate, Decision, Thresholds
from inventory_match.domain.photos import Box

from .models import Sighting

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Sighted:
    """A region and its answer; decision, candidates and embedding (shape (dim,)) only where the catalog was asked."""

    position: int
    box: Box
    answer: Answer
    rule: str
    decision: Decision | None = None
    candidates: tuple[Candidate, ...] = ()
    embedding: NDArray[float32] | None = None

    @property
    def sku(self) -> str | None:
        return self.decision.sku if self.decision else None


def save(session: Session, photo_id: int, sighted: Sequence[Sighted], encoder_id: int, thresholds: Thresholds) -> None:
    """Replaces the sightings of a photo: a photo redriven with another encoder is seen anew."""
    session.execute(delete(Sighting).where(Sighting.photo_id == photo_id))
    if sighted:
        session.execute(insert(Sighting), [_row(photo_id, one, encoder_id, thresholds) for one in sighted])


def _row(photo_id: int, one: Sighted, encoder_id: int, thresholds: Thresholds) -> dict[str, Any]:
    decision = one.decision
    return {
        "photo_id": photo_id,
        "position": one.position,
        "x0": one.box.x0,
        "y0": one.box.y0,
        "x1": one.box.x1,
        "y1": one.box.y1,
        "answer": one.answer,
        "rule": one.rule,
        "outcome": decision.outcome if decision else None,
        "sku": one.sku,
        "similarity": decision.similarity if decision else None,
        "margin": decision.margin if decision else None,
        "candidates": [{"sku": c.sku, "similarity": c.similarity} for c in one.candidates],
        "thresholds": thresholds.as_dict() if decision else None,
        "encoder_id": encoder_id if decision else None,
        "embedding": HalfVector(one.embedding) if one.embedding is not None else None,
    }
