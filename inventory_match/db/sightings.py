"""What was seen in a photo, one row a region, with everything needed to replay the decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from pgvector import HalfVector
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from inventory_match.domain.counting import Answer
from inventory_match.domain.errors import NotFound
from inventory_match.domain.matching import Candidate, Decision, Prior, Thresholds
from inventory_match.domain.photos import Box, ObjectRef
from inventory_match.domain.printed import Printed
from inventory_match.domain.siblings import Sibling

from .models import Encoder, Photo, Sighting

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Sighted:
    """A region and its answer; decision, candidates, what was known beforehand, embedding (shape (dim,)), what print says, and
    a facing beside it that looks the same only where the catalog was asked."""

    position: int
    box: Box
    answer: Answer
    rule: str
    decision: Decision | None = None
    candidates: tuple[Candidate, ...] = ()
    prior: Prior | None = None
    embedding: NDArray[float32] | None = None
    printed: Printed | None = None
    sibling: Sibling | None = None

    @property
    def sku(self) -> str | None:
        return self.decision.sku if self.decision else None


@dataclass(frozen=True, slots=True)
class Kept:
    """A sighting as it stands in the database, with the photo it was seen in and the encoder that made its vector.

    `vector` has shape (dim,); None, like `encoder`, where the catalog was not asked or the photo was let go.
    """

    id: int
    photo_id: int
    photo: ObjectRef
    store: str | None
    location: str | None
    camera: str | None
    captured_at: datetime
    position: int
    box: Box
    answer: Answer
    outcome: str | None
    sku: str | None
    rule: str
    candidates: tuple[Candidate, ...]
    thresholds: Thresholds | None
    prior: Prior | None
    printed: Printed | None
    sibling: Sibling | None
    encoder: Encoder | None
    vector: NDArray[float32] | None


def find(session: Session, ids: Sequence[int]) -> list[Kept]:
    """The sightings of these ids, in their order. Raises NotFound, as for one of a photo that was seen anew."""
    statement = (
        select(Sighting, Photo, Encoder)
        .join(Photo, Photo.id == Sighting.photo_id)
        .outerjoin(Encoder, Encoder.id == Sighting.encoder_id)
        .where(Sighting.id.in_(ids))
    )
    found = {sighting.id: _kept(sighting, photo, encoder) for sighting, photo, encoder in session.execute(statement)}
    if missing := [one for one in ids if one not in found]:
        raise NotFound(
            f"sighting {missing[0]} does not exist; `inventory-match review next` and `photos show` name them"
        )
    return [found[one] for one in ids]


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
        "candidates": [candidate.as_dict() for candidate in one.candidates],
        "thresholds": thresholds.as_dict() if decision else None,
        "prior": one.prior.among(one.candidates) if one.prior else None,
        "printed": one.printed.as_dict() if one.printed else None,
        "sibling": one.sibling.as_dict() if one.sibling else None,
        "encoder_id": encoder_id if decision else None,
        "embedding": HalfVector(one.embedding) if one.embedding is not None else None,
    }


def _kept(row: Sighting, photo: Photo, encoder: Encoder | None) -> Kept:
    return Kept(
        id=row.id,
        photo_id=photo.id,
        photo=ObjectRef(photo.bucket, photo.key, photo.version_id, photo.etag),
        store=photo.store,
        location=photo.location,
        camera=photo.camera,
        captured_at=photo.captured_at,
        position=row.position,
        box=Box(row.x0, row.y0, row.x1, row.y1),
        answer=Answer(row.answer),
        outcome=row.outcome,
        sku=row.sku,
        rule=row.rule,
        candidates=tuple(map(Candidate.from_mapping, row.candidates)),
        thresholds=None if row.thresholds is None else Thresholds.from_mapping(row.thresholds),
        prior=None if row.prior is None else Prior.from_mapping(row.prior),
        printed=None if row.printed is None else Printed.from_mapping(row.printed),
        sibling=None if row.sibling is None else Sibling.from_mapping(row.sibling),
        encoder=encoder,
        vector=None if row.embedding is None else np.asarray(row.embedding, np.float32),
    )
