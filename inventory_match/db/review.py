"""What waits for a person, and what people answered: append-only, one standing answer a region of a photo.

A region is named by photo and position, because a photo that is seen anew gets new sightings; an answer outlives them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import func, insert, select, text, tuple_
from sqlalchemy.orm import Session

from inventory_match.domain.errors import Conflict, NotFound
from inventory_match.domain.review import Verdict

from .models import ReviewAnswer
from .sightings import Kept

if TYPE_CHECKING:
    from numpy.typing import NDArray

REVIEWED = "review:"
"""How the source of a reference photo begins that an answer made."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An unknown sighting that waits for an answer, with its vector of shape (dim,).

    `accept`: the similarity from which its encoder takes two pictures for the same product.
    """

    sighting_id: int
    encoder_id: int
    metric: str
    accept: float
    store: str | None
    captured_at: datetime
    vector: NDArray[np.float32]


_AMBIGUOUS = text(
    "select sighting_id from inventory_match.review_queue where outcome = 'ambiguous'"
    " and (cast(:store as text) is null or store = :store) and (cast(:location as text) is null or location = :location)"
    " order by margin, sighting_id desc limit :limit"
)
# All looks at a place whose newest look is in the queue, not only the newest: more views of one thing make better references.
_UNKNOWN = text("""
    with waiting as materialized (
        select photo_id, position, camera, location from inventory_match.review_queue where outcome = 'unknown')
    select g.id, g.encoder_id, e.metric, (e.thresholds ->> 'accept')::float8 as accept, f.store, f.captured_at, g.embedding
    from inventory_match.sighting g
    join inventory_match.photo f on f.id = g.photo_id and f.expired_at is null
    join inventory_match.encoder e on e.id = g.encoder_id
    where g.outcome = 'unknown'
      and g.embedding is not null
      and (cast(:store as text) is null or f.store = :store)
      and (cast(:location as text) is null or f.location = :location)
      and ((g.photo_id, g.position) in (select photo_id, position from waiting)
           or (f.camera, f.location, g.position) in (select camera, location, position from waiting))
      and not exists (
          select from inventory_match.review_standing s where s.photo_id = g.photo_id and s.position = g.position)
    order by f.captured_at desc, g.id desc
    limit :newest
""")


def ambiguous(session: Session, store: str | None, location: str | None, limit: int) -> list[int]:
    """Ids of ambiguous sightings that wait, smallest margin first: there an answer moves the border most."""
    given = {"store": store, "location": location, "limit": limit}
    return list(session.scalars(_AMBIGUOUS, given))


def unknown(session: Session, store: str | None, location: str | None, newest: int) -> list[Waiting]:
    """The newest unknown sightings that wait, newest first."""
    rows = session.execute(_UNKNOWN, {"store": store, "location": location, "newest": newest})
    return [
        Waiting(
            row.id,
            row.encoder_id,
            row.metric,
            row.accept,
            row.store,
            row.captured_at,
            np.asarray(row.embedding.to_numpy(), np.float32),
        )
        for row in rows
    ]


def standing(session: Session, sightings: Iterable[Kept]) -> dict[int, ReviewAnswer]:
    """Sighting id to the answer that stands for its region, for those that have one."""
    regions = {(kept.photo_id, kept.position): kept.id for kept in sightings}
    found = session.scalars(_STANDING.where(_REGION.in_(list(regions))))
    return {regions[answer.photo_id, answer.position]: answer for answer in found}


def append(
    session: Session,
    sightings: Sequence[Kept],
    verdict: Verdict,
    sku: str | None,
    references: dict[int, int],
    *,
    actor: str,
    reason: str | None,
    forced: bool,
    group_of: int | None,
) -> None:
    """One answer for each of these sightings; `references`: sighting id to the reference photo its crop became."""
    said = {"verdict": verdict, "sku": sku, "actor": actor, "reason": reason, "forced": forced, "group_of": group_of}
    rounds = _rounds(session, [(kept.photo_id, kept.position) for kept in sightings])
    rows = [
        {
            **said,
            "photo_id": kept.photo_id,
            "position": kept.position,
            "round": rounds.get((kept.photo_id, kept.position), 0),
            "sighting_id": kept.id,
            "reference_id": references.get(kept.id),
        }
        for kept in sightings
    ]
    if rows:
        session.execute(insert(ReviewAnswer), rows)


def to_undo(session: Session, sighting_id: int) -> list[ReviewAnswer]:
    """The answer that stands for this sighting, with those that were given together with it.

    Raises NotFound where nobody ever answered it, Conflict where the answer was taken back already.
    """
    region = session.execute(
        text(
            "select photo_id, position from inventory_match.review_answer where sighting_id = :id"
            " union select photo_id, position from inventory_match.sighting where id = :id limit 1"
        ),
        {"id": sighting_id},
    ).one_or_none()
    named = [(region.photo_id, region.position)] if region else []
    answer = session.scalar(_STANDING.where(_REGION.in_(named)))
    if answer is None and _rounds(session, named):
        raise Conflict(f"the answer to sighting {sighting_id} was taken back already; `review log` shows by whom")
    if answer is None:
        raise NotFound(f"nobody answered sighting {sighting_id}; `inventory-match review log` shows what was answered")
    if answer.group_of is None:
        return [answer]
    together = _STANDING.where(ReviewAnswer.group_of == answer.group_of).order_by(ReviewAnswer.id)
    return list(session.scalars(together))


def undo(session: Session, answers: Sequence[ReviewAnswer], *, actor: str, reason: str | None) -> int:
    """Takes answers back, with the reference photos they made that no other answer rests on; returns how many of these."""
    rows = [
        {
            "photo_id": answer.photo_id,
            "position": answer.position,
            "round": answer.round,
            "sighting_id": answer.sighting_id,
            "verdict": Verdict.UNDONE,
            "undoes": answer.id,
            "group_of": answer.group_of,
            "actor": actor,
            "reason": reason,
        }
        for answer in answers
    ]
    session.execute(insert(ReviewAnswer), rows)
    made = [answer.reference_id for answer in answers if answer.reference_id is not None]
    used = set(
        session.scalars(
            _STANDING.where(ReviewAnswer.reference_id.in_(made)).with_only_columns(ReviewAnswer.reference_id)
        )
    )
    gone = [one for one in made if one not in used]
    withdrawn = session.scalars(
        text(
            "delete from inventory_match.reference_photo where id = any(:ids) and starts_with(source, :made) returning id"
        ),
        {"ids": gone, "made": REVIEWED},
    )
    return len(withdrawn.all())


_REGION = tuple_(ReviewAnswer.photo_id, ReviewAnswer.position)
_STANDING = select(ReviewAnswer).where(
    ReviewAnswer.verdict != Verdict.UNDONE,
    ReviewAnswer.id.not_in(select(ReviewAnswer.undoes).where(ReviewAnswer.undoes.is_not(None))),
)


def _rounds(session: Session, regions: Sequence[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """(photo, position) to how often the region's answer was taken back, for those where it ever was."""
    photo, position = ReviewAnswer.photo_id, ReviewAnswer.position
    undone = select(photo, position, func.count()).where(_REGION.in_(regions), ReviewAnswer.verdict == Verdict.UNDONE)
    return {(row[0], row[1]): row[2] for row in session.execute(undone.group_by(photo, position))}
