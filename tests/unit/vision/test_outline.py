"""Whether a view has the usual layout, on rendered shelves: what happens in a shop against a camera that looks elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from inventory_match.domain.views import ViewLimits
from inventory_match.rendering.camera import Light
from inventory_match.rendering.designs import PackDesign, product
from inventory_match.rendering.shelf import ShelfLayout, shelf_photo
from inventory_match.rendering.shopper import Shopper
from inventory_match.vision.outline import agreement, outline

if TYPE_CHECKING:
    from inventory_match.ports import Image, Outline

WIDE, HIGH = 640, 480
LIMIT = ViewLimits().layout
SLOTS = [product(41, index % 9) for index in (0, 0, 1, 2, 2, 3, 4, 5, 6, 6, 7, 8, 8, 1, 0, 3, 3, 5, 7, 2, 4, 4, 6, 8)]
LAYOUT = ShelfLayout(tuple(design.sku for design in SLOTS), rows=3, columns=8)
FULL = dict(enumerate(SLOTS))
SPARSE = {slot: design for slot, design in FULL.items() if slot % 5 in (0, 2)}


def photo(contents: dict[int, PackDesign], seed: int, light: Light | None = None, who: Shopper | None = None) -> Image:
    shown = shelf_photo(LAYOUT, contents, seed, light=light, occluder=who, size=(WIDE, HIGH))
    return np.asarray(shown.image)


@cache
def usual() -> tuple[Outline, ...]:
    """Three photos of the full shelf."""
    return tuple(outline(photo(FULL, seed)) for seed in range(3))


@pytest.mark.parametrize(
    "changed",
    [
        lambda: photo(SPARSE, 10),
        lambda: photo({}, 11),
        lambda: photo(FULL, 12, light=Light(0.4, -0.5)),
        lambda: photo(FULL, 13, light=Light(1.4, 0.8, lamp=0.4)),
        lambda: photo(FULL, 14, who=Shopper(0.3, 0.45, top=0.06, hand=0.34)),
        lambda: np.roll(photo(FULL, 15), (8, 12), axis=(0, 1)),
    ],
    ids=["sold down", "empty", "dim", "bright", "shopper", "a mount that gave"],
)
def test_what_happens_in_a_shop_leaves_the_layout(changed: Callable[[], Image]) -> None:
    assert agreement(outline(changed()), usual()) >= LIMIT


@pytest.mark.parametrize(
    "elsewhere",
    [
        lambda: np.roll(photo(FULL, 20), (HIGH // 2, round(WIDE * 0.46)), axis=(0, 1)),
        lambda: photo(FULL, 21)[HIGH // 4 : 3 * HIGH // 4, WIDE // 4 : 3 * WIDE // 4],
        lambda: photo(FULL, 22)[::-1, ::-1],
        lambda: np.full((HIGH, WIDE, 3), 90, np.uint8),
        lambda: np.random.default_rng(5).integers(0, 255, (HIGH, WIDE, 3), np.uint8),
    ],
    ids=["half a picture on", "zoomed", "upside down", "a plain coat", "noise"],
)
def test_another_view_has_another_layout(elsewhere: Callable[[], Image]) -> None:
    assert agreement(outline(np.ascontiguousarray(elsewhere())), usual()) < LIMIT


def test_the_same_picture_agrees_wholly() -> None:
    assert agreement(usual()[0], usual()[:1]) == pytest.approx(1, abs=1e-5)
