"""Photos at rest that may be given another try: because a person asks for all of a state and a time, or because a listing
shows what a store once said to be gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, select, tuple_, update
from sqlalchemy.orm import Session

from inventory_match.domain.photos import ObjectRef, PhotoState

from .models import Photo
from .photos import ANEW


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which photos at rest: of one state, and where given of one camera, or that came to rest within these times."""

    state: str
    since: datetime | None = None
    until: datetime | None = None
    camera: str | None = None


def at_rest(session: Session, chosen: Chosen, after: int, limit: int) -> list[int]:
    """Up to `limit` ids of such photos above the id `after`, in their order: ask again with the last to go on."""
    wanted = select(Photo.id).where(Photo.state == chosen.state, Photo.id > after)
    if chosen.camera is not None:
        wanted = wanted.where(Photo.camera == chosen.camera)
    if chosen.since is not None:
        wanted = wanted.where(Photo.finished_at >= chosen.since)
    if chosen.until is not None:
        wanted = wanted.where(Photo.finished_at < chosen.until)
    return list(session.scalars(wanted.order_by(Photo.id).limit(limit)))


def give_back_listed(session: Session, refs: Sequence[ObjectRef]) -> list[int]:
    """Fresh attempts for photos that rest as superseded although their very version is in the bucket; returns their ids.

    A store that answers 404 for what it has puts photos down for good; only a listing tells. Those without a camera wait
    for one again.
    """
    names = [(ref.bucket, ref.key, ref.version) for ref in refs]
    gone = (
        select(Photo.id)
        .where(
            tuple_(Photo.bucket, Photo.key, Photo.version).in_(names),
            Photo.state == PhotoState.SUPERSEDED,
            Photo.expired_at.is_(None),
        )
        .with_for_update(skip_locked=True)  # somebody else is just giving it back
        .cte()
    )
    values = ANEW | {"state": case((Photo.camera.is_(None), PhotoState.UNROUTED), else_=PhotoState.REGISTERED)}
    return sorted(session.scalars(update(Photo).where(Photo.id == gone.c.id).values(values).returning(Photo.id)).all())
