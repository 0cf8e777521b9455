"""Levels and what moves them: a count, by camera or person, and book movements (received, sold, adjusted).

The ledger is append-only; every row says what was observed *and* what it did to the level (`Effect`). So the level of a
location can be told from its rows, and a count that moved nothing can be asked why.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """Counts say how many there are; movements say how many came or went (signed units)."""

    COUNTED_CAMERA = "counted_camera"
    COUNTED_PERSON = "counted_person"
    RECEIVED = "received"
    SOLD = "sold"
    ADJUSTED = "adjusted"


class Effect(StrEnum):
    """What a ledger row did to the level when it was written."""

    MOVED = "moved"
    KEPT = "kept"
    AWAITING = "awaiting"
    LATE = "late"
    BOOKED = "booked"


@dataclass(frozen=True, slots=True)
class Observed:
    """A count of one product at one location: units = facings x depth, at the time the photo was taken."""

    facings: int
    depth: int
    at: datetime

    @property
    def units(self) -> int:
        return self.facings * self.depth


@dataclass(frozen=True, slots=True)
class Level:
    """What is believed of one product at one location.

    `seen_at` is the newest observation, whether it moved the level or still waits: what is older is late. `units` is None
    until the first count. `pending_units` were counted `pending_photos` times in a row, disagreeing with `units`.
    """

    units: int | None = None
    facings: int | None = None
    counted_at: datetime | None = None
    seen_at: datetime | None = None
    pending_units: int | None = None
    pending_photos: int = 0


def apply_count(level: Level, observed: Observed, confirmations: int) -> tuple[Level, Effect]:
    """The level after one more count, and what the count did.

    Older than the newest observation: late, nothing changes. Equal to the level: kept. The first count ever moves at once;
    one that disagrees moves after `confirmations` photos in a row that agree with each other, taken at different moments:
    a photo uploaded twice is one look, not two.
    """
    if level.seen_at is not None and observed.at < level.seen_at:
        return level, Effect.LATE
    if level.units == observed.units:
        return _at(level, observed), Effect.KEPT
    photos = 1
    if level.pending_units == observed.units:
        photos = level.pending_photos + (observed.at != level.seen_at)
    if level.units is None or photos >= confirmations:
        return _at(level, observed), Effect.MOVED
    waiting = replace(level, seen_at=observed.at, pending_units=observed.units, pending_photos=photos)
    return waiting, Effect.AWAITING


def apply_person_count(level: Level, observed: Observed) -> tuple[Level, Effect]:
    """A person is believed at once, unless a newer observation is already there."""
    return apply_count(level, observed, confirmations=1)


def unseen_since(level: Level, newest: datetime | None) -> Level:
    """The level of a product that photos up to `newest` would have shown, had it been there: what is older is late."""
    if newest is None or (level.seen_at is not None and level.seen_at >= newest):
        return level
    return replace(level, seen_at=newest)


def _at(level: Level, observed: Observed) -> Level:
    return replace(
        level,
        units=observed.units,
        facings=observed.facings,
        counted_at=observed.at,
        seen_at=observed.at,
        pending_units=None,
        pending_photos=0,
    )
