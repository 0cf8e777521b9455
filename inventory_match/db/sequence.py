"""The order of what happened to one key, where the bucket keeps no versions: an upload or a delete ends what came before it.

S3 tells events late and out of order; its `sequencer` says which came first. A waiting photo that a later event of its key
has overtaken rests as `superseded` at once. Where a sequencer is missing nothing is concluded: the fetch, pinned to the
ETag, finds out.
"""

from __future__ import annotations

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from inventory_match.domain.photos import ObjectRemoved, PhotoState, PhotoUploaded, later

from . import retention
from .engine import now
from .models import ObjectRemoval, Photo

_WAITING = (PhotoState.REGISTERED, PhotoState.UNROUTED)


def settle_order(session: Session, event: PhotoUploaded | ObjectRemoved) -> list[int]:
    """Supersedes the waiting photos of the event's key that a later event has overtaken; returns their ids."""
    bucket, key, versioned = _name(event)
    if versioned:
        return []
    if isinstance(event, PhotoUploaded):
        _came_back(session, event)
    if event.sequencer is None:
        return []
    same_key = (Photo.bucket == bucket) & (Photo.key == key) & Photo.version_id.is_(None)
    photos = session.execute(select(Photo.id, Photo.sequencer, Photo.state).where(same_key)).all()
    removals = session.scalars(
        select(ObjectRemoval.sequencer).where(ObjectRemoval.bucket == bucket, ObjectRemoval.key == key)
    )
    events = [*(photo.sequencer for photo in photos), *removals]
    overtaken = [
        photo.id
        for photo in photos
        if photo.state in _WAITING and any(later(sequencer, photo.sequencer) for sequencer in events)
    ]
    values = {
        "state": PhotoState.SUPERSEDED,
        "cause": "a later event of this key overtook it",
        "finished_at": func.now(),
    }
    session.execute(update(Photo).where(Photo.id.in_(overtaken), Photo.state.in_(_WAITING)).values(values))
    return overtaken


def _came_back(session: Session, event: PhotoUploaded) -> None:
    """The same bytes put again under the same key: the photo is as new as its newest upload, and no longer superseded.

    Where retention had let its picture go, there is one again, which is kept for as long as any new one.
    """
    ref = event.ref
    mine = (Photo.bucket == ref.bucket) & (Photo.key == ref.key) & (Photo.version == ref.version)
    photo = session.scalars(select(Photo).where(mine)).one_or_none()
    if photo is not None and None in (event.sequencer, photo.sequencer):
        retention.seen_again(session, [ref])  # which of the two is the newer nobody knows: let the bucket tell
    if photo is None or not later(event.sequencer, photo.sequencer):
        return
    session.refresh(photo, with_for_update={"key_share": True})  # retention may be at it
    photo.sequencer = event.sequencer
    if photo.expired_at is not None:
        photo.expired_at, photo.registered_at = None, now(session)
    if photo.state == PhotoState.SUPERSEDED and photo.camera is not None:
        photo.state, photo.cause, photo.finished_at = PhotoState.REGISTERED, None, None
        photo.attempts, photo.kicked_at = 0, None
    session.flush()


def _name(event: PhotoUploaded | ObjectRemoved) -> tuple[str, str, bool]:
    if isinstance(event, PhotoUploaded):
        return event.ref.bucket, event.ref.key, event.ref.version_id is not None
    return event.bucket, event.key, event.version_id is not None
