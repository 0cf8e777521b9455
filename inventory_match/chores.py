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
from inventory_match.domain.errors import ConfigurationError, InventoryMatchError, ServiceUnavailable
from inventory_match.domain.events import EventType
from inventory_match.domain.photos import ObjectRef

if TYPE_CHECKING:
    from inventory_match.db.engine import UnitOfWork
    from inventory_match.db.models import Photo
    from inventory_match.ports import Kicker
    from inventory_match.s3.store import S3Store

_log = structlog.get_logger(__name__)
MOST_KICKS = 200
"""Waiting in the queue before a sweep adds no more."""
UNANSWERED = 3
"""Deletes in a row that S3 does not answer, before a run leaves the rest to the next one."""
REFUSED = 20
"""As many in a row are no single objects under a hold, but a right that we lack."""


def sweep(
    unit_of_work: UnitOfWork, kicker: Kicker, max_attempts: int, rekick_after: timedelta, now: datetime
) -> list[int]:
    """Buries photos whose attempts are used up, with one `photo.dead` each, and kicks the ones that wait too long.

    Where workers are slower than photos come, kicks wait long in the queue and none was lost: no more are added than make
    `MOST_KICKS` of them, or the workers would have nothing but old kicks in hand when the rush is over.
    """
    with unit_of_work() as session:
        for photo in photos.bury(session, max_attempts):
            told = {"photo_id": photo.id, "bucket": photo.bucket, "key": photo.key, "cause": photo.cause}
            told |= {"attempts": photo.attempts, "camera": photo.camera}
            outbox.emit(session, EventType.PHOTO_DEAD, told, now, store=photo.store)
            measures.photo_rested(photo.attempts)
            _log.warning("photo buried", **told)
        due = photos.take_due(session, rekick_after, limit=_room(kicker))
    intake.kick_all(kicker, due)
    with unit_of_work() as session:  # by itself, and last: a figure that cannot be written must hold up no photo
        runs.ran(session, "sweep", attempts=max_attempts)
    return due


def _room(kicker: Kicker) -> int:
    """How many kicks the queue still takes; none where nobody answers for it."""
    try:
        return max(MOST_KICKS - kicker.waiting(), 0)
    except ServiceUnavailable as error:
        _log.warning("nobody is kicked until the next sweep", cause=str(error))
        return 0


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

    `limit` at a time, until none is left, it is `ends` by the monotonic clock, or the bucket is away or closed to us.
    Returns how many went.
    """
    gone = after = 0
    bucket = _Bucket(store)
    while time.monotonic() < ends and not bucket.given_up:
        with unit_of_work() as session:
            old = [photo.id for photo in retention.expired(session, keep_days, limit, after)]
        if not old:
            break
        after = old[-1]
        for photo_id in old:
            # Each delete may wait for minutes on a server that does not answer.
            if time.monotonic() >= ends or bucket.given_up:
                break
            gone += _let_go(unit_of_work, bucket, photo_id, keep_days)
    if gone:
        _log.info("photos expired", photos=gone)
    return gone


def _let_go(unit_of_work: UnitOfWork, bucket: _Bucket, photo_id: int, keep_days: int | None) -> bool:
    # Held while its picture goes: a redrive waits for that, and then finds it expired.
    with unit_of_work() as session:
        photo = retention.hold(session, photo_id, keep_days)
        if photo is None or not bucket.delete(photo):
            return False
        retention.forget(session, photo.id)
    return True


class _Bucket:
    """Where pictures are deleted, for one run: given up once it is plain that the next one would not go either."""

    def __init__(self, store: S3Store) -> None:
        self.store = store
        self.given_up = False
        self._unanswered = self._refused = 0

    def delete(self, photo: Photo) -> bool:
        """False where it did not go. It stays due; one object S3 refuses must not keep all those behind it."""
        try:
            self.store.delete(ObjectRef(photo.bucket, photo.key, photo.version_id, photo.etag))
        except InventoryMatchError as error:
            self._unanswered += isinstance(error, ServiceUnavailable)
            self._refused += isinstance(error, ConfigurationError)
            self.given_up = self._unanswered >= UNANSWERED or self._refused >= REFUSED
            said = "photos not expired; the next run tries again" if self.given_up else "photo not expired"
            _log.error(said, photo_id=photo.id, cause=str(error))
            return False
        self._unanswered = self._refused = 0
        return True
