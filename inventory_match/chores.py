"""What must happen though nobody asks: kick what waits, bury what is used up, judge what moved by SQL, notice silence,
flush digests, let old photos go. Beat calls each on its interval; each is safe to run twice at once.
"""

from __future__ import annotations

import math
import time
from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

import structlog

from inventory_match import alerting, intake, measures
from inventory_match.db import chores as runs
from inventory_match.db import outbox, photos, retention, site, watch
from inventory_match.domain.errors import InventoryMatchError
from inventory_match.domain.events import EventType
from inventory_match.domain.photos import ObjectRef

if TYPE_CHECKING:
    from inventory_match.db.engine import UnitOfWork
    from inventory_match.db.models import Photo
    from inventory_match.ports import Kicker
    from inventory_match.s3.store import S3Store

_log = structlog.get_logger(__name__)


def sweep(
    unit_of_work: UnitOfWork, kicker: Kicker, max_attempts: int, rekick_after: timedelta, now: datetime
) -> list[int]:
    """Buries photos whose attempts are used up, with one `photo.dead` each, and kicks the ones that wait too long."""
    with unit_of_work() as session:
        for photo in photos.bury(session, max_attempts):
            told = {"photo_id": photo.id, "bucket": photo.bucket, "key": photo.key, "cause": photo.cause}
            told |= {"attempts": photo.attempts, "camera": photo.camera}
            outbox.emit(session, EventType.PHOTO_DEAD, told, now, store=photo.store)
            measures.photo_rested(photo.attempts)
            _log.warning("photo buried", **told)
        due = photos.take_due(session, rekick_after, limit=500)
        runs.ran(session, "sweep", attempts=max_attempts)
    intake.kick_all(kicker, due)
    return due


def judge_moved(unit_of_work: UnitOfWork, now: datetime, limit: int = 500) -> int:
    """Judges what plain SQL moved and what a snooze held; one transaction a store. Returns how many products."""
    with unit_of_work() as session:
        waiting = watch.needing_judgement(session, now, limit)
    for store, pairs in groupby(waiting, key=lambda pair: pair[0]):
        with unit_of_work() as session:
            alerting.judge_products(session, store, [sku for _, sku in pairs], now)
    return len(waiting)


def notice_silence(unit_of_work: UnitOfWork, now: datetime) -> int:
    """One `camera.silent` for each camera that missed its expected interval; it is armed again by its next photo."""
    with unit_of_work() as session:
        silent = site.newly_silent(session, now)
        for camera in silent:
            told = {
                "camera": camera.camera,
                "location": camera.location,
                "last_photo_at": camera.last_photo_at.isoformat() if camera.last_photo_at else None,
                "expected_every_seconds": camera.expected_interval.total_seconds(),
            }
            outbox.emit(session, EventType.CAMERA_SILENT, told, now, store=camera.store)
    return len(silent)


def expire_photos(
    unit_of_work: UnitOfWork, store: S3Store, keep_days: int | None, limit: int = 500, ends: float = math.inf
) -> int:
    """Deletes photos past their store's limit from the bucket, then their vectors and quality; rows and ledger stay.

    `limit` at a time, until none is left or it is `ends` by the monotonic clock. Returns how many went.
    """
    gone = after = 0
    while time.monotonic() < ends:
        with unit_of_work() as session:
            old = retention.expired(session, keep_days, limit, after)
        if not old:
            break
        after = old[-1].id
        gone += sum(_let_go(unit_of_work, store, photo) for photo in old)
    if gone:
        _log.info("photos expired", photos=gone)
    return gone


def _let_go(unit_of_work: UnitOfWork, store: S3Store, photo: Photo) -> bool:
    try:
        store.delete(ObjectRef(photo.bucket, photo.key, photo.version_id, photo.etag))
    except InventoryMatchError as error:
        # It stays due and is tried again; one object S3 refuses must not keep all those behind it.
        _log.error("photo not expired", photo_id=photo.id, cause=str(error))
        return False
    with unit_of_work() as session:
        retention.forget(session, photo.id)
    return True
