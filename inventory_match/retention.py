"""Retention by policy: which of the old things go, in batches of short transactions, so that nobody else has to wait.

The pictures go first (`chores.expire_photos`), then what was read from them; see `db.retention` for what stays and why.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from inventory_match import chores
from inventory_match.db import retention

if TYPE_CHECKING:
    from inventory_match.db.engine import UnitOfWork
    from inventory_match.s3.store import S3Store
    from inventory_match.settings import Settings

_log = structlog.get_logger(__name__)
BATCH = 500
PICTURES = "photos whose pictures go"


@dataclass(frozen=True, slots=True)
class Policy:
    """Days each kind is kept; None keeps it. A store's own limit for pictures comes before `photos`."""

    photos: int | None = None
    sightings: int | None = None
    photo_rows: int | None = None
    messages: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        return cls(
            settings.keep_photos_days,
            settings.keep_sightings_days,
            settings.keep_photo_rows_days,
            settings.keep_messages_days,
        )

    def kinds(self) -> Iterator[tuple[retention.Old, int]]:
        for days, kinds in (
            (self.sightings, (retention.VECTORS,)),
            (self.photo_rows, (retention.ROWS,)),
            (self.messages, (retention.MESSAGES, retention.REJECTED, retention.REMOVALS)),
        ):
            if days is not None:
                yield from ((kind, days) for kind in kinds)


def due(unit_of_work: UnitOfWork, policy: Policy) -> dict[str, int]:
    """How many of each kind would go now; what a first kind makes ready for a second one is not counted with that."""
    with unit_of_work() as session:
        counts = {PICTURES: retention.count_expired(session, policy.photos)}
        for kind, days in policy.kinds():
            counts[kind.what] = len(kind.batch(session, days, kind.first, 2**31 - 1))
    return counts


def run(unit_of_work: UnitOfWork, store: S3Store, policy: Policy, seconds: float) -> dict[str, int]:
    """Lets go of what is old until nothing is left or `seconds` are over; the next run goes on. Returns how many went."""
    ends = time.monotonic() + seconds
    gone = {PICTURES: chores.expire_photos(unit_of_work, store, policy.photos, ends=ends)}
    for kind, days in policy.kinds():
        gone[kind.what] = sum(_batches(unit_of_work, kind, days, ends))
    if any(gone.values()):
        _log.info("old things let go", gone={what: number for what, number in gone.items() if number})
    return gone


def _batches(unit_of_work: UnitOfWork, kind: retention.Old, days: int, ends: float) -> Iterator[int]:
    after = kind.first
    while time.monotonic() < ends:
        with unit_of_work() as session:
            ids = kind.batch(session, days, after, BATCH)
            if not ids:
                return
            kind.go(session, ids)
        yield len(ids)
        after = ids[-1]
