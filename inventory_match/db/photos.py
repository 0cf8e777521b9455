"""The life of a photo in rows: registered once, claimed by one worker at a time, rested in one state with one cause.

The claim counts the attempt and is committed before the bytes are touched, so an image that kills its worker is tried a
bounded number of times. Its number and the end of its lease fence: a worker whose lease ran out can no longer write, and
not either after a redrive, from which on the numbers come again. Leases use the database's clock, because workers' differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from inventory_match.domain.photos import Box, Captured, ObjectRef, ObjectRemoved, PhotoState, PhotoUploaded, Quality
from inventory_match.domain.places import Place
from inventory_match.domain.site import Camera as Watching

from . import places
from .models import Camera, ObjectRemoval, Photo, RejectedMessage

LONGEST_CAUSE = 600
"""Characters of a rejected message's cause; it is part of an index, whose rows Postgres limits to 2,700 bytes."""
WAITING = (PhotoState.REGISTERED, PhotoState.PROCESSING)
ANEW: dict[str, Any] = {
    "state": PhotoState.REGISTERED,
    "cause": None,
    "attempts": 0,
    "next_attempt_at": func.now(),
    "kicked_at": func.now(),
    "finished_at": None,
}
"""A photo that rested and is tried again."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A photo one worker may work on until its lease ends, at `until`, which with `attempt` fences later writes.

    `rows`: the location's rows its camera sees (`domain.rows`). `places`: what its camera remembers, at the time of the claim;
    None where it has fixed regions, or takes no shelf photos.
    """

    id: int
    ref: ObjectRef
    attempt: int
    until: datetime
    event_time: datetime
    captured: Captured
    store: str
    timezone: str
    location: str
    camera: str
    kind: str
    records: str | None
    regions: tuple[Box, ...]
    rows: tuple[int, ...]
    places: tuple[Place, ...] | None


def register(
    session: Session, uploaded: PhotoUploaded, source: str, captured: Captured, camera: Watching | None
) -> int | None:
    """The id of the new photo, or None where this version of the object is already known.

    `source`: what told of it, `event` or `scan`. Without a camera the photo rests as `unrouted`.
    """
    ref = uploaded.ref
    row = {
        "bucket": ref.bucket,
        "key": ref.key,
        "version": ref.version,
        "version_id": ref.version_id,
        "etag": ref.etag,
        "sequencer": uploaded.sequencer,
        "size": uploaded.size,
        "source": source,
        "event_time": uploaded.event_time,
        "captured_at": captured.at,
        "captured_source": captured.source,
        "clock_ahead": captured.clock_ahead,
        "state": PhotoState.REGISTERED if camera else PhotoState.UNROUTED,
        "camera": camera.camera if camera else None,
        "store": camera.store if camera else None,
        "location": camera.location if camera else None,
        "kicked_at": func.now() if camera else None,
    }
    statement = insert(Photo).values(row).on_conflict_do_nothing(index_elements=["bucket", "key", "version"])
    photo_id = session.execute(statement.returning(Photo.id)).scalar()
    if photo_id is not None and camera is not None:
        # Only where it was silent: two intakes must not queue for the row of every camera that uploads.
        silent = (Camera.camera == camera.camera) & Camera.silent_since.is_not(None)
        session.execute(update(Camera).where(silent).values(silent_since=None))
    return photo_id


def record_removal(session: Session, removed: ObjectRemoved) -> None:
    """Keeps what S3 told of a delete; telling it twice changes nothing."""
    row = {
        "bucket": removed.bucket,
        "key": removed.key,
        "version": removed.version_id or "",
        "sequencer": removed.sequencer,
        "event_time": removed.event_time,
    }
    session.execute(insert(ObjectRemoval).values(row).on_conflict_do_nothing())


def record_rejected(session: Session, message_id: str, body: str, cause: str) -> None:
    """Keeps a message nobody could read, whatever is in it."""
    row = {"message_id": message_id, "body": _storable(body), "cause": _storable(cause)[:LONGEST_CAUSE]}
    session.execute(insert(RejectedMessage).values(row).on_conflict_do_nothing())


def rejected(session: Session, limit: int) -> Sequence[RejectedMessage]:
    """Messages nobody could read, newest first."""
    return session.scalars(select(RejectedMessage).order_by(RejectedMessage.id.desc()).limit(limit)).all()


def claim(session: Session, photo_id: int, lease: timedelta, max_attempts: int) -> Claimed | None:
    """Takes a waiting photo whose time has come, counting the attempt; None where there is nothing to take."""
    taken = session.execute(
        update(Photo)
        .where(
            Photo.id == photo_id,
            Photo.state.in_(WAITING),
            Photo.next_attempt_at <= func.now(),
            Photo.attempts < max_attempts,
        )
        .values(state=PhotoState.PROCESSING, attempts=Photo.attempts + 1, next_attempt_at=func.now() + lease)
        .returning(Photo)
    ).scalar()
    if taken is None:
        return None
    found = session.execute(
        text(
            "select c.kind, c.records, c.regions, c.shelf_rows, s.timezone from inventory_match.camera c"
            " join inventory_match.store s using (store) where c.camera = :camera"
        ),
        {"camera": taken.camera},
    ).one_or_none()
    if found is None:
        cause = f"camera {taken.camera!r} is no longer there"
        taken.state, taken.camera, taken.cause = PhotoState.UNROUTED, None, _storable(cause)
        return None
    return Claimed(
        id=taken.id,
        ref=ObjectRef(taken.bucket, taken.key, taken.version_id, taken.etag),
        attempt=taken.attempts,
        until=taken.next_attempt_at,
        event_time=taken.event_time,
        captured=Captured(taken.captured_at, taken.captured_source, taken.clock_ahead),
        store=str(taken.store),
        timezone=found.timezone,
        location=str(taken.location),
        camera=str(taken.camera),
        kind=found.kind,
        records=found.records,
        regions=tuple(Box(*corners) for corners in found.regions),
        rows=tuple(found.shelf_rows),
        places=places.load(session, str(taken.camera)) if found.kind == "shelf" and not found.regions else None,
    )


def hold(session: Session, photo: Claimed) -> bool:
    """Locks the photo for settling; False where the lease ran out and another worker has it."""
    statement = select(Photo.id).where(_mine(photo)).with_for_update()
    return session.execute(statement).scalar() is not None


def finish(session: Session, photo: Claimed, state: PhotoState, cause: str | None, **figures: Any) -> bool:
    """Rests a photo in its final state; False where the lease was lost, and then nothing is written."""
    values = {"state": state, "cause": cause and _storable(cause), "finished_at": func.now(), **figures}
    return session.execute(update(Photo).where(_mine(photo)).values(values).returning(Photo.id)).scalar() is not None


def figures(captured: Captured, quality: Quality, size: tuple[int, int], encoder_id: int | None) -> dict[str, Any]:
    """What is kept of the pixels: when, how large (width, height), how good, and who looked."""
    return {
        "captured_at": captured.at,
        "captured_source": captured.source,
        "clock_ahead": captured.clock_ahead,
        "width": size[0],
        "height": size[1],
        "quality": {
            "brightness": round(quality.brightness, 2),
            "contrast": round(quality.contrast, 2),
            "sharpness": round(quality.sharpness, 2),
        },
        "encoder_id": encoder_id,
    }


def give_back(session: Session, photo: Claimed, cause: str, wait: timedelta) -> bool:
    """After a transient failure: another try once `wait` is over."""
    values = {
        "state": PhotoState.REGISTERED,
        "cause": _storable(cause),
        "next_attempt_at": func.now() + wait,
        "kicked_at": None,
    }
    return session.execute(update(Photo).where(_mine(photo)).values(values).returning(Photo.id)).scalar() is not None


def bury(session: Session, max_attempts: int) -> Sequence[Photo]:
    """Rests every photo as `dead` whose attempts are used up and whose last lease has ended; returns them."""
    return session.scalars(
        update(Photo)
        .where(Photo.state.in_(WAITING), Photo.attempts >= max_attempts, Photo.next_attempt_at <= func.now())
        .values(
            state=PhotoState.DEAD,
            finished_at=func.now(),
            cause=func.coalesce(Photo.cause, "the worker died while it had this photo in hand"),
        )
        .returning(Photo)
    ).all()


def take_due(session: Session, rekick_after: timedelta, limit: int) -> list[int]:
    """Ids of waiting photos that need a kick, oldest first; marks them kicked."""
    due = (
        select(Photo.id)
        .where(
            Photo.state.in_(WAITING),
            Photo.next_attempt_at <= func.now(),
            func.coalesce(Photo.kicked_at, text("'-infinity'")) < func.now() - rekick_after,
        )
        .order_by(Photo.next_attempt_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte()  # as a subquery it may run again for every row, and take more than its limit
    )
    statement = update(Photo).where(Photo.id == due.c.id).values(kicked_at=func.now())
    return sorted(session.scalars(statement.returning(Photo.id)).all())


def redrive(session: Session, photo_ids: Sequence[int]) -> list[int]:
    """Gives finished photos a fresh set of attempts; returns those that had a camera to go to."""
    statement = (
        update(Photo)
        .where(
            Photo.id.in_(photo_ids), Photo.state.not_in(WAITING), Photo.camera.is_not(None), Photo.expired_at.is_(None)
        )
        .values(ANEW)
        .returning(Photo.id)
    )
    return sorted(session.scalars(statement).all())


def newest_assessed(session: Session, camera: str) -> datetime | None:
    """When the newest photo was taken on which something of what the camera watches could be assessed."""
    assessed = Photo.state.in_([PhotoState.DONE, PhotoState.EMPTY])
    return session.scalar(select(func.max(Photo.captured_at)).where(Photo.camera == camera, assessed))


def _storable(text_: str) -> str:
    """What Postgres cannot hold, NUL and lone surrogates, as its escape."""
    return text_.replace("\x00", "\\u0000").encode("utf-8", "backslashreplace").decode()


def _mine(photo: Claimed) -> Any:
    held = (Photo.attempts == photo.attempt) & (Photo.next_attempt_at == photo.until)
    return (Photo.id == photo.id) & held & (Photo.state == PhotoState.PROCESSING)
