"""What a soak uploads and what must come of it, pure: everything hangs on the number of photos and the seed.

Each shelf shows two products; one of them only ever falls (two facings, one, none) at moments the seed chose, so whatever
order its photos arrive in there is one episode: at most one reorder, one `stock.low`, one `stock.out`. Cameras at the dock
book one unit a photo, so a photo taken twice, or not at all, shows in a sum. A few photos are broken files. Each shelf's first
photo is uploaded before the storm, so that it is known what can run out, and its last ones after it: what did.
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
DOCKED_PRODUCTS = 2
FULL = 2
ENDS = (0, 1, 2, 0)
"""Facings of a shelf's falling product at the end of the day; the next shelf has the next."""
REORDER_POINT, CLEAR_POINT, TARGET_LEVEL, PACK_SIZE = 1, 2, 6, 4
STEP = timedelta(seconds=30)
OPENING, CLOSING = 1, 2
"""Photos of every shelf before and after the storm."""
LEAST_PHOTOS = 20
A_SHELF = 25
"""Photos for each shelf, about."""
FEWEST_SHELVES, MOST_SHELVES = 4, 20
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
class _Shelf:
    """Two products: one that falls to `end` facings, and one that always has its place at the right."""

    falling: str
    steady: str
    end: int

    def shows(self, facings: int) -> tuple[str | None, ...]:
        return (*([self.falling] * facings), *([None] * (FULL - facings)), self.steady)


@dataclass(frozen=True, slots=True)
class Plan:
    """The uploads of the storm and of the calm before and after it, and the truth about all."""

    seed: int
    opening: tuple[Shot, ...]
    storm: tuple[Shot, ...]
    closing: tuple[Shot, ...]
    levels: dict[tuple[str, str], int] = field(default_factory=dict)
    """(location, sku) to facings at the end."""
    shelves: tuple[str, ...] = ()
    falling: frozenset[str] = frozenset()
    """The skus that have a policy."""
    received: dict[str, int] = field(default_factory=dict)
    """sku to units booked at the dock."""

    @property
    def shots(self) -> tuple[Shot, ...]:
        return self.opening + self.storm + self.closing

    @property
    def alerts(self) -> Counter[tuple[str, str]]:
        """(type, sku) of everything that stock must lead to."""
        told: Counter[tuple[str, str]] = Counter()
        for (_, sku), facings in self.levels.items():
            if sku in self.falling and facings <= REORDER_POINT:
                told[EventType.STOCK_LOW, sku] += 1
                told[EventType.REORDER_OPENED, sku] += 1
            if sku in self.falling and facings == 0:
                told[EventType.STOCK_OUT, sku] += 1
        return told

    @property
    def reorders(self) -> Counter[str]:
        return Counter(sku for kind, sku in self.alerts if kind == EventType.REORDER_OPENED)


def shelves_for(photos: int) -> tuple[str, ...]:
    """Names of the shelves of a soak of this size."""
    return tuple(f"shelf-{i:02d}" for i in range(min(max(photos // A_SHELF, FEWEST_SHELVES), MOST_SHELVES)))


def products_for(photos: int) -> int:
    """Two for every shelf, and some that arrive at the dock."""
    return 2 * len(shelves_for(photos)) + DOCKED_PRODUCTS


def make_plan(photos: int, seed: int, skus: Sequence[str], opens: datetime) -> Plan:
    """`skus`: `products_for(photos)` of them. Raises ValueError for other numbers of photos or products than that allows."""
    if photos < LEAST_PHOTOS or len(skus) != products_for(photos):
        raise ValueError(f"a soak needs {LEAST_PHOTOS} photos or more, and {products_for(photos)} products")
    draw = Random(seed)
    shelves = {
        name: _Shelf(skus[2 * i], skus[2 * i + 1], ENDS[i % len(ENDS)]) for i, name in enumerate(shelves_for(photos))
    }
    names = list(shelves)
    stormy = photos - (OPENING + CLOSING) * len(names)
    cameras = [DOCK if draw.random() < DOCKED else draw.choice(names) for _ in range(stormy)]
    falls = {name: _fall(draw, cameras.count(name), shelf.end) for name, shelf in shelves.items()}
    opening = [Shot(_key(name, opens), name, shelf.shows(FULL)) for name, shelf in shelves.items()]
    taken = Counter(names)
    received: Counter[str] = Counter()
    storm = []
    for camera in cameras:
        at = opens + taken[camera] * STEP
        taken[camera] += 1
        broken = draw.random() < BROKEN
        arrived = draw.choice(skus[-DOCKED_PRODUCTS:])
        shows = (arrived,) if camera == DOCK else shelves[camera].shows(next(falls[camera]))
        if camera == DOCK and not broken:
            received[arrived] += 1
        storm.append(_shot(draw, camera, at, () if broken else shows))
    closing = [
        Shot(_key(name, opens + (taken[name] + more) * STEP), name, shelf.shows(shelf.end))
        for more in range(CLOSING)
        for name, shelf in shelves.items()
    ]
    levels: dict[tuple[str, str], int] = {}
    for name, shelf in shelves.items():
        levels |= {(name, shelf.falling): shelf.end, (name, shelf.steady): 1}
    falling = frozenset(shelf.falling for shelf in shelves.values())
    return Plan(seed, tuple(opening), tuple(storm), tuple(closing), levels, tuple(names), falling, dict(received))


def site_toml(plan: Plan) -> str:
    """Text for `inventory-match site apply`."""
    third = ", ".join(f"[{i / 3:.4f}, 0.0, {(i + 1) / 3:.4f}, 1.0]" for i in range(3))
    parts = [f'[stores.{STORE}]\nname = "Soak"\n']
    for camera in (*plan.shelves, DOCK):
        what = 'kind = "product"\nrecords = "received"' if camera == DOCK else f'kind = "shelf"\nregions = [{third}]'
        parts.append(
            f'[stores.{STORE}.locations.{camera}]\nname = "{camera}"\n\n[[stores.{STORE}.cameras]]\nid = "{camera}"\n'
            f'location = "{camera}"\n{what}\nkeys = "{STORE}/{camera}/{{captured_at}}.jpg"\n'
        )
    policy = (
        f"reorder_point = {REORDER_POINT}\nclear_point = {CLEAR_POINT}\n"
        f"target_level = {TARGET_LEVEL}\npack_size = {PACK_SIZE}\n"
    )
    parts += [f"[stores.{STORE}.products.{sku}.policy]\n{policy}" for sku in sorted(plan.falling)]
    return "\n".join(parts)


def _fall(draw: Random, photos: int, end: int) -> Iterator[int]:
    """Facings of the falling product, photo by photo: never rising, and never below `end`."""
    moments = [draw.randint(photos // 4, max(3 * photos // 4, photos // 4)) for _ in range(FULL - end)]
    for number in range(photos):
        yield FULL - sum(number >= moment for moment in moments)


def _shot(draw: Random, camera: str, at: datetime, shows: tuple[str | None, ...]) -> Shot:
    [telling] = draw.choices(list(_TELLING), list(_TELLING.values()))
    [trouble] = draw.choices(list(_TROUBLE), list(_TROUBLE.values()))
    # Six outlast botocore's own four tries; a server that says nothing costs its reader seconds each time.
    refusals = 1 if trouble in ("silence", "404") else draw.randint(1, 6)
    return Shot(_key(camera, at), camera, shows, not shows, telling, trouble, refusals if trouble else 0)


def _key(camera: str, at: datetime) -> str:
    return f"{STORE}/{camera}/{at:%Y%m%dT%H%M%S}.jpg"
