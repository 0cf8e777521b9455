"""The scripted day: what stands where at every half hour, which photos tell of it, and what must follow. Pure data.

The story. Twenty-four products stand on two shelves, each watched by a camera. The first product (`hero`) starts with
four facings and is sold one by one: at two it is low (one reorder, `stock.low`), later it is sold out (`stock.out`),
in the evening the first shelf is filled up again (`stock.recovered`; the reorder stays open until somebody receives
it). Others are sold too, none to its own reorder point. In between, things that must change nothing: a shopper stands
before the first shelf for two photos; somebody takes a pack and puts it back, and the event of just that photo comes
twice; one photo of the second shelf comes an hour and a half late; one file is broken.

The truth is read from the script, never from the system: levels are the packs that stand there, alerts follow from
their sums at each half hour. That the photos can tell it (every change is seen by two photos in a row) is held by
tests.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from inventory_match.rendering.camera import Camera, Light
from inventory_match.rendering.designs import PackDesign, product
from inventory_match.rendering.shelf import ShelfLayout
from inventory_match.rendering.shopper import Shopper

SEED = 2026
STORE = "demo-store"
OPENS = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""A Monday in the past: a captured-at later than its upload would be taken for a wrong clock."""
TICK, TICKS = timedelta(minutes=30), 24
CONFIRMATIONS = 2
HERO, PICKED_UP = 0, 7
"""Ordinals of the product that runs low and of the one that is taken and put back."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The stock policy of a product, in units."""

    reorder_point: int
    clear_point: int
    target_level: int
    pack_size: int = 1


DEFAULT_RULE = Rule(reorder_point=0, clear_point=1, target_level=4)
RULES = {HERO: Rule(reorder_point=2, clear_point=4, target_level=10, pack_size=6), PICKED_UP: Rule(1, 2, 4)}
"""Rules by product ordinal; all others have the default, so an alert of theirs would be a false one."""

_FACINGS = {
    "shelf-1": ((0, 4), (1, 2), (2, 1), (3, 3), (4, 2), (5, 2), (6, 2), (7, 2), (8, 1), (9, 2), (10, 2), (11, 1)),
    "shelf-2": ((12, 3), (13, 2), (14, 1), (15, 2), (16, 2), (17, 2), (18, 3), (19, 2), (20, 1), (21, 2), (22, 2),
    (23, 1), (4, 1)),
}  # fmt: skip
"""Product ordinals and facings in the order of the slots; product 4 stands on both shelves."""
_SALES = (
    ("shelf-1", HERO, (3, 8, 11, 14)), ("shelf-1", 3, (2, 10, 21)), ("shelf-1", 4, (9,)), ("shelf-1", 6, (13,)),
    ("shelf-1", 9, (16,)), ("shelf-2", 12, (4, 13)), ("shelf-2", 15, (6,)), ("shelf-2", 18, (8, 16)), ("shelf-2", 19,
    (20,)), ("shelf-2", 21, (11,)),
)  # fmt: skip
"""Camera, product, and the ticks by which one more pack of it is gone."""
_REFILLED = ("shelf-1", 18)
_TAKEN_AND_PUT_BACK = ("shelf-1", 10)
_LATE, _ARRIVES_AFTER = ("shelf-2", 5), ("shelf-2", 8)
_BROKEN = OPENS + 9 * TICK + timedelta(minutes=7)
_SHOPPERS = {("shelf-1", 5): Shopper(0.27, 0.42, top=0.06, hand=0.34, seed=5),
             ("shelf-1", 6): Shopper(0.62, 0.44, top=0.10, hand=0.30, seed=5)}  # fmt: skip

Place = tuple[str, str]
"""Location and sku."""


@dataclass(frozen=True, slots=True)
class ShelfCamera:
    """A camera, the location it watches (of the same name), the layout of its shelf and the product of each slot."""

    code: str
    layout: ShelfLayout
    lens: Camera
    products: tuple[PackDesign, ...]


@dataclass(frozen=True, slots=True)
class Shot:
    """A photo: its key in the bucket, the slots with a pack (slot number to product), who stands in the way, how
    bright it is.

    `events` is how often its upload is announced; `late`: uploaded after newer ones; `broken`: the file is cut short.
    """

    key: str
    camera: str
    captured_at: datetime
    contents: Mapping[int, PackDesign]
    light: Light
    seed: int
    occluder: Shopper | None = None
    events: int = 1
    late: bool = False
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Day:
    """The day and its truth. `shots` are in the order of upload; quantities are units; webhooks are (type, sku) in
    order.
    """

    products: tuple[PackDesign, ...]
    cameras: tuple[ShelfCamera, ...]
    shots: tuple[Shot, ...]
    rules: Mapping[str, Rule]
    expected_at: Mapping[Place, int]
    expected_levels: Mapping[str, int]
    expected_reorders: Mapping[str, int]
    expected_webhooks: tuple[tuple[str, str], ...]

    def camera(self, code: str) -> ShelfCamera:
        """The camera of that code."""
        return next(camera for camera in self.cameras if camera.code == code)


def scripted_day(seed: int = SEED) -> Day:
    """The day as the script tells it; the seed decides what the products look like and how each photo trembles."""
    products = tuple(product(seed, index) for index in range(24))
    cameras = (_shelf_camera("shelf-1", products), _shelf_camera("shelf-2", products))
    rules = {design.sku: RULES.get(index, DEFAULT_RULE) for index, design in enumerate(products)}
    shots = tuple(_in_order_of_upload(_shots(cameras, seed)))
    last = _places(cameras, TICKS - 1)
    return Day(products, cameras, shots, rules, last, _by_sku(last), *_what_follows(cameras, rules))


def standing(camera: ShelfCamera, tick: int) -> dict[int, PackDesign]:
    """What stands in the slots of a shelf at a tick, by the script: sold packs are missing until the refill."""
    refilled = camera.code == _REFILLED[0] and tick >= _REFILLED[1]
    since = _REFILLED[1] if refilled else 0
    contents = dict(enumerate(camera.products))
    for shelf, ordinal, ticks in _SALES:
        if shelf == camera.code:
            gone = sum(since <= sold <= tick for sold in ticks)
            _take(contents, camera.products, ordinal, gone)
    return contents


def _take(contents: dict[int, PackDesign], products: tuple[PackDesign, ...], ordinal: int, packs: int) -> None:
    """Shoppers take from the right."""
    sku_slots = [slot for slot in contents if _ordinal(products[slot]) == ordinal]
    for slot in sorted(sku_slots, reverse=True)[:packs]:
        del contents[slot]


def _ordinal(design: PackDesign) -> int:
    return int(design.sku.rpartition("-")[2]) - 1


def _shelf_camera(code: str, products: tuple[PackDesign, ...]) -> ShelfCamera:
    slots = tuple(products[ordinal] for ordinal, facings in _FACINGS[code] for _ in range(facings))
    labels = tuple(design.sku for design in slots)
    if code == "shelf-1":
        lens = Camera(corners=((-0.022, -0.004), (0.004, -0.014), (0.010, 0.006), (-0.004, 0.002)))
        return ShelfCamera(code, ShelfLayout(labels), lens, slots)
    lens = Camera(corners=((-0.004, -0.012), (0.020, -0.006), (0.004, 0.010), (-0.012, 0.004)), noise=5.0)
    return ShelfCamera(code, ShelfLayout(labels, wall=(198, 206, 208), rail=(38, 92, 148)), lens, slots)


def daylight(tick: int) -> Light:
    """Cool and dim when the shop opens, bright at noon, warm lamps in the evening."""
    noon, slope = math.sin(math.pi * tick / (TICKS - 1)), math.cos(math.pi * tick / TICKS)
    return Light(0.84 + 0.2 * noon, warmth=-0.5 + 1.2 * tick / TICKS, slope_x=0.16 * slope, lamp=0.2 - 0.12 * noon)


def _shots(cameras: tuple[ShelfCamera, ...], seed: int) -> list[Shot]:
    """All shots in order of capture; the second camera takes its photo ten minutes after the first."""
    shots = []
    for tick in range(TICKS):
        for number, camera in enumerate(cameras):
            here, light = (camera.code, tick), daylight(tick)
            contents, trap = standing(camera, tick), here == _TAKEN_AND_PUT_BACK
            if trap:
                _take(contents, camera.products, PICKED_UP, 1)
            at = OPENS + tick * TICK + number * timedelta(minutes=10)
            shot = Shot(_key(camera.code, at), camera.code, at, contents, light, seed * 100_000 + tick * 10 + number)
            shots.append(replace(shot, occluder=_SHOPPERS.get(here), events=2 if trap else 1, late=here == _LATE))
            if number == 0 and at < _BROKEN < at + TICK:
                shots.append(replace(shot, key=_key(camera.code, _BROKEN), captured_at=_BROKEN, broken=True))
    return shots


def _key(camera: str, at: datetime) -> str:
    return f"{STORE}/{camera}/{at:%Y%m%dT%H%M%SZ}.jpg"


def _in_order_of_upload(shots: list[Shot]) -> list[Shot]:
    late = next(shot for shot in shots if shot.late)
    rest = [shot for shot in shots if not shot.late]
    after = OPENS + _ARRIVES_AFTER[1] * TICK + timedelta(minutes=10)
    place = next(i for i, shot in enumerate(rest) if shot.camera == _ARRIVES_AFTER[0] and shot.captured_at == after)
    return [*rest[: place + 1], late, *rest[place + 1 :]]


def _places(cameras: tuple[ShelfCamera, ...], tick: int) -> dict[Place, int]:
    """Units of every product at every location where it has a slot."""
    levels: Counter[Place] = Counter()
    for camera in cameras:
        levels.update({(camera.code, design.sku): 0 for design in camera.products})
        levels.update((camera.code, design.sku) for design in standing(camera, tick).values())
    return dict(levels)


def _by_sku(places: Mapping[Place, int]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for (_, sku), units in places.items():
        sums[sku] += units
    return dict(sums)


def _what_follows(
    cameras: tuple[ShelfCamera, ...], rules: Mapping[str, Rule]
) -> tuple[dict[str, int], tuple[tuple[str, str], ...]]:
    """Reorders (units by sku) and webhooks (type, sku) that the script's own levels call for, tick by tick."""
    reorders: dict[str, int] = {}
    webhooks: list[tuple[str, str]] = []
    low, out = set[str](), set[str]()
    for tick in range(TICKS):
        for sku, units in _by_sku(_places(cameras, tick)).items():
            rule = rules[sku]
            if units <= rule.reorder_point and sku not in low:
                low.add(sku)
                webhooks.append(("stock.low", sku))
                if sku not in reorders:
                    reorders[sku] = math.ceil((rule.target_level - units) / rule.pack_size) * rule.pack_size
                    webhooks.append(("reorder.opened", sku))
            if units == 0 and sku not in out:
                out.add(sku)
                webhooks.append(("stock.out", sku))
            if units >= rule.clear_point and sku in low:
                low.discard(sku)
                out.discard(sku)
                webhooks.append(("stock.recovered", sku))
    return reorders, tuple(webhooks)
