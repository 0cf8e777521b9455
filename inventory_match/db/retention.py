"""Letting photos go: people may be on them. The object and its vectors are deleted; the row stays, so nothing is 'lost'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from inventory_match.domain.photos import PhotoState

from .models import Photo, Sighting, Store


def expired(session: Session, keep_days: int | None, limit: int) -> Sequence[Photo]:
    """Finished or unrouted photos older than their store's own limit, or than `keep_days` where it has none."""
    days = func.coalesce(Store.keep_photos_days, keep_days)
    return session.scalars(
        select(Photo)
        .outerjoin(Store, Store.store == Photo.store)
        .where(
            Photo.expired_at.is_(None),
            Photo.state.not_in([PhotoState.REGISTERED, PhotoState.PROCESSING]),
            Photo.registered_at < func.now() - days * text("interval '1 day'"),
        )
        .order_by(Photo.id)
        .limit(limit)
    ).all()


def forget(session: Session, photo_id: int) -> None:
    """Marks a photo expired and drops the vectors of its crops; what was counted stays."""
    session.execute(update(Photo).where(Photo.id == photo_id).values(expired_at=func.now()))
    nothing: dict[str, Any] = {"embedding": None}
    session.execute(update(Sighting).where(Sighting.photo_id == photo_id).values(nothing))
