"""What a soak uploads and what must come of it, pure: everything hangs on the number of photos and the seed.

Each shelf shows two products; one of them only ever falls (two facings, one, none) at moments the seed chose, so whatever
order its photos arrive in there is one episode: at most one reorder, one `stock.low`, one `stock.out`. Cameras at the dock
book one unit a photo, so a photo taken twice, or not at all, shows in a sum. A few photos are broken files. The last photos
of a day are uploaded when the storm is over, so that the levels at its end are known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Literal

from inventory_match.domain.events import EventType

STORE = "s1"
DOCK = "dock"
SHELVES = ("a", "b", "c", "d")
ENDS = (0, 1, 2, 0)
"""Facings of each shelf's falling product at the end of the day."""
REORDER_POINT, CLEAR_POINT, TARGET_LEVEL, PACK_SIZE = 1, 2, 6, 4
STEP = timedelta(seconds=30)
CLOSING = 2
"""Photos of every shelf after the storm."""
LEAST_PHOTOS = 40
DOCKED = 0.2
BROKEN = 0.02
"""Shares of the photos."""

Telling = Literal["once", "twice", "shuffled", "late", "never"]
"""What becomes of the event that announces a photo; the untold are left to the scan."""
Trouble = Literal["", "500", "503", "403", "404", "silence", "cut"]
"""How S3 answers the first reads of a photo; `cut` ends the body in its middle."""
_TELLING: dict[Telling, float] = {"once": 0.8, "twice": 0.07, "shuffled": 0.06, "late": 0.04, "never": 0.03}
_TROUBLE: dict[Trouble, float] = {
    "": 0.82, "500": 0.04, "503": 0.04, "403": 0.03, "404": 0.02, "silence": 0.01, "cut": 0.04,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shot:
    """One upload. `shows`: skus left to right, None for an empty place; a broken file shows nothing."""

    key: str
    camera: str
    shows: tuple[str | None, ...]
    broken: bool = False
    telling: Telling = "once"
    trouble: Trouble = ""
    refusals: int = 0
    """Reads of this photo that meet its trouble before S3 comes to its senses."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The uploads of the storm and of the calm after it, and the truth about both."""

    seed: int
    storm: tuple[Shot, ...]
    closing: tuple[Shot, ...]
    levels: dict[tuple[str, str], int] = field(default_factory=dict)
    """(location, sku) to facings at the end."""
    received: dict[str, int] = field(default_factory=dict)
    """sku to units booked at the dock."""

    @property
    def shots(self) -> tuple[Shot, ...]:
        return self.storm + self.closing

    @property
    def alerts(self) -> Counter[tuple[str, str]]:
        """(type, sku) of everything that stock must lead to."""
        told: Counter[tuple[str, str]] = Counter()
        for (_, sku), facings in self.levels.items():
            if facings <= REORDER_POINT:
                told[EventType.STOCK_LOW, sku] += 1
                told[EventType.REORDER_OPENED, sku] += 1
            if facings == 0:
                told[EventType.STOCK_OUT, sku] += 1
        return told

    @property
    def reorders(self) -> Counter[str]:
        return Counter(sku for kind, sku in self.alerts if kind == EventType.REORDER_OPENED)


def make_plan(photos: int, seed: int, skus: Sequence[str], opens: datetime) -> Plan:
    """`skus`: two for every shelf, then at least one for the dock. Raises ValueError where that does not come out."""
    if photos < LEAST_PHOTOS or len(skus) <= 2 * len(SHELVES):
        raise ValueError(f"a soak needs {LEAST_PHOTOS} photos and {2 * len(SHELVES) + 1} products")
    draw = Random(seed)
    closing_count = CLOSING * len(SHELVES)
    cameras = [DOCK if draw.random() < DOCKED else draw.choice(SHELVES) for _ in range(photos - closing_count)]
    docked = skus[2 * len(SHELVES) :]
    falls = {shelf: _fall(draw, cameras.count(shelf), end) for shelf, end in zip(SHELVES, ENDS, strict=True)}
    taken: Counter[str] = Counter()
    received: Counter[str] = Counter()
    storm = []
    for camera in cameras:
        number = taken[camera]
        taken[camera] += 1
        broken = draw.random() < BROKEN
        shows = (draw.choice(docked),) if camera == DOCK else _shelf(skus, camera, next(falls[camera]))
        if camera == DOCK and not broken:
            received[str(shows[0])] += 1
        storm.append(_shot(draw, camera, opens + number * STEP, () if broken else shows))
    closing = [
        Shot(_key(shelf, opens + (taken[shelf] + more) * STEP), shelf, _shelf(skus, shelf, end))
        for more in range(CLOSING)
        for shelf, end in zip(SHELVES, ENDS, strict=True)
    ]
    levels = {}
    for shelf, end in zip(SHELVES, ENDS, strict=True):
        falling, steady = _pair(skus, shelf)
        levels |= {(shelf, falling): end, (shelf, steady): 1}
    return Plan(seed, tuple(storm), tuple(closing), levels, dict(received))


def site_toml(plan: Plan) -> str:
    """Text for `inventory-match site apply`."""
    third = ", ".join(f"[{i / 3:.4f}, 0.0, {(i + 1) / 3:.4f}, 1.0]" for i in range(3))
    parts = [f'[stores.{STORE}]\nname = "Soak"\n']
    for camera in (*SHELVES, DOCK):
        what = 'kind = "product"\nrecords = "received"' if camera == DOCK else f'kind = "shelf"\nregions = [{third}]'
        parts.append(
            f'[stores.{STORE}.locations.{camera}]\nname = "{camera}"\n\n[[stores.{STORE}.cameras]]\nid = "{camera}"\n'
            f'location = "{camera}"\n{what}\nkeys = "{STORE}/{camera}/{{captured_at}}.jpg"\n'
        )
    policy = (
        f"reorder_point = {REORDER_POINT}\nclear_point = {CLEAR_POINT}\n"
        f"target_level = {TARGET_LEVEL}\npack_size = {PACK_SIZE}\n"
    )
    falling = [sku for sku, steady in _pairs(plan)]
    parts += [f"[stores.{STORE}.products.{sku}.policy]\n{policy}" for sku in falling]
    return "\n".join(parts)


def _pairs(plan: Plan) -> list[tuple[str, str]]:
    skus = list(plan.levels)
    return [(skus[i][1], skus[i + 1][1]) for i in range(0, len(skus), 2)]


def _fall(draw: Random, photos: int, end: int) -> Iterator[int]:
    """Facings of the falling product, photo by photo: 2 at first, `end` at last, never rising."""
    moments = sorted(draw.randint(photos // 4, max(3 * photos // 4, photos // 4)) for _ in range(2 - end))
    for number in range(photos):
        yield 2 - sum(number >= moment for moment in moments)


def _pair(skus: Sequence[str], shelf: str) -> tuple[str, str]:
    first = 2 * SHELVES.index(shelf)
    return skus[first], skus[first + 1]


def _shelf(skus: Sequence[str], shelf: str, facings: int) -> tuple[str | None, ...]:
    falling, steady = _pair(skus, shelf)
    return (*([falling] * facings), *([None] * (2 - facings)), steady)


def _shot(draw: Random, camera: str, at: datetime, shows: tuple[str | None, ...]) -> Shot:
    [telling] = draw.choices(list(_TELLING), list(_TELLING.values()))
    [trouble] = draw.choices(list(_TROUBLE), list(_TROUBLE.values()))
    # Six outlast botocore's own four tries; a server that says nothing costs its reader seconds each time.
    refusals = 1 if trouble in ("silence", "404") else draw.randint(1, 6)
    return Shot(_key(camera, at), camera, shows, not shows, telling, trouble, refusals if trouble else 0)


def _key(camera: str, at: datetime) -> str:
    return f"{STORE}/{camera}/{at:%Y%m%dT%H%M%S}.jpg"
