"""Pictures follow from their seed, products can be told apart, and what the renderer says of a photo is true of its
pixels.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inventory_match.domain.photos import Box
from inventory_match.rendering import packs
from inventory_match.rendering.camera import Camera, Light, develop, jpeg, seen_box, through_lens, view_of
from inventory_match.rendering.catalog import write_catalog
from inventory_match.rendering.dataset import write_views
from inventory_match.rendering.designs import CATEGORIES, product
from inventory_match.rendering.packs import packshot
from inventory_match.rendering.shelf import ShelfLayout, shelf_photo
from inventory_match.rendering.shopper import Shopper

SHOP = [product(2026, index) for index in range(24)]
LAYOUT = ShelfLayout(tuple(design.sku for design in SHOP))
TILTED = Camera(corners=((-0.03, -0.01), (0.01, -0.02), (0.02, 0.0), (-0.01, 0.03)), jitter=0.0, noise=0.0, blur=0.0)
SIZE = (640, 480)


def _spread(image: Image.Image, region: Box) -> float:
    """Standard deviation of grey levels in the middle of a region, away from its neighbours' edges."""
    wide, high = region.x1 - region.x0, region.y1 - region.y0
    middle = Box(region.x0 + 0.3 * wide, region.y0 + 0.4 * high, region.x1 - 0.3 * wide, region.y1 - 0.1 * high)
    return float(np.asarray(image.crop(middle.pixels(*image.size)).convert("L")).std())


def test_a_packshot_follows_from_its_design_alone() -> None:
    first = packshot(SHOP[0], 120)
    packs._drawn.cache_clear()
    assert packshot(SHOP[0], 120).tobytes() == first.tobytes()
    assert (first.mode, first.height, first.width) == ("RGBA", 120, round(120 * SHOP[0].aspect))


def test_every_shape_can_be_drawn_and_bottles_are_not_boxes() -> None:
    shapes = {shape: category for category in CATEGORIES for shape in category.shapes}
    seen = {design.shape: design for design in (product(3, index) for index in range(0, 150, 3))}
    assert set(seen) == set(shapes) == set(packs.BODIES)
    filled = {shape: np.asarray(packshot(design, 100))[..., 3].mean() / 255 for shape, design in seen.items()}
    assert filled["box"] > 0.99
    assert filled["bottle"] < filled["jar"] < filled["box"]


def test_products_of_a_shop_differ_to_the_eye() -> None:
    small = [np.asarray(packshot(design, 96).resize((24, 32)).convert("RGB"), np.float32) for design in SHOP]
    apart = {(a, b): float(np.abs(small[a] - small[b]).mean()) for a, b in combinations(range(24), 2)}
    assert min(apart.values()) > 6.0
    sisters = [value for (a, b), value in apart.items() if a // 3 == b // 3]
    strangers = [value for (a, b), value in apart.items() if a // 3 != b // 3]
    assert np.median(sisters) < np.median(strangers), "sisters are meant to be the look-alikes"


def test_boxes_travel_with_the_pixels() -> None:
    box = Box(0.3, 0.25, 0.6, 0.7)
    scene = Image.new("RGB", SIZE, "white")
    ImageDraw.Draw(scene).rectangle(box.pixels(*SIZE), fill="black")
    view = view_of(TILTED)
    dark = np.argwhere(np.asarray(through_lens(scene, view).convert("L")) < 128)
    left, top, right, bottom = seen_box(view, box).pixels(*SIZE)
    assert np.abs(dark.min(axis=0) - (top, left)).max() <= 2
    assert np.abs(dark.max(axis=0) - (bottom, right)).max() <= 2


def test_light_and_noise_do_what_they_say() -> None:
    grey = Image.new("RGB", SIZE, (120, 120, 120))

    def shot(noise: float, brightness: float) -> NDArray[np.float32]:
        light = Light(brightness, warmth=0, slope_y=0, lamp=0)
        return np.asarray(develop(grey, Camera(noise=noise), light, np.random.default_rng(1)), np.float32)

    assert 7 < (shot(8, 1) - shot(0, 1)).std() < 12
    assert shot(0, 0.5).mean() == pytest.approx(shot(0, 1).mean() / 2, rel=0.02)


def test_the_same_arguments_give_the_same_file() -> None:
    contents = dict(enumerate(SHOP))
    one, two = (shelf_photo(LAYOUT, contents, 9, size=SIZE) for _ in range(2))
    other = shelf_photo(LAYOUT, contents, 10, size=SIZE)
    assert jpeg(one.image) == jpeg(two.image) != jpeg(other.image)
    assert one.standing == two.standing


def test_empty_slots_are_smooth_and_filled_ones_are_not() -> None:
    sold = {0, 9, 23}
    contents = {slot: design for slot, design in enumerate(SHOP) if slot not in sold}
    photo = shelf_photo(LAYOUT, contents, 4, camera=TILTED, size=SIZE)
    spread = [_spread(photo.image, region) for region in LAYOUT.regions(TILTED)]
    assert max(spread[slot] for slot in sold) < 8 < min(value for slot, value in enumerate(spread) if slot not in sold)
    assert {standing.slot for standing in photo.standing} == set(range(24)) - sold


@pytest.mark.parametrize("slot", [0, 7, 12, 23])
def test_a_standing_box_frames_what_the_pack_changed(slot: int) -> None:
    empty = np.asarray(shelf_photo(LAYOUT, {}, 4, camera=TILTED, size=SIZE).image, np.float32)
    photo = shelf_photo(LAYOUT, {slot: SHOP[3]}, 4, camera=TILTED, size=SIZE)
    changed = np.argwhere(np.abs(np.asarray(photo.image, np.float32) - empty).max(axis=2) > 60)
    left, top, right, bottom = photo.standing[0].box.pixels(*SIZE)
    assert photo.standing[0].sku == SHOP[3].sku
    assert np.abs(changed.min(axis=0) - (top, left)).max() <= 6
    assert np.abs(changed.max(axis=0) - (bottom, right)).max() <= 6


def test_jitter_keeps_a_region_on_its_slot() -> None:
    camera = Camera(corners=TILTED.corners)
    for seed in range(20):
        view = view_of(camera, np.random.default_rng(seed))
        for slot, region in enumerate(LAYOUT.regions(camera)):
            now = seen_box(view, LAYOUT.slot(slot))
            assert (now.x0, now.y0, now.x1, now.y1) == pytest.approx(
                (region.x0, region.y0, region.x1, region.y1), abs=0.005
            )


def test_a_shopper_covers_some_slots_fully_some_partly_some_not() -> None:
    photo = shelf_photo(LAYOUT, dict(enumerate(SHOP)), 4, occluder=Shopper(0.5, 0.7), size=SIZE)
    assert min(photo.uncovered) < 0.1
    assert max(photo.uncovered) == 1.0
    assert any(0.3 < share < 0.9 for share in photo.uncovered)
    hidden = {standing.slot for standing in photo.standing if standing.visible < 0.1}
    assert hidden <= {slot for slot, share in enumerate(photo.uncovered) if share < 0.5}


def test_labels_must_fit_the_grid() -> None:
    with pytest.raises(ValueError, match="3 x 8 slots need as many labels, got 1"):
        ShelfLayout(("one",))


def test_a_catalog_names_photos_that_are_there(tmp_path: Path) -> None:
    rows = list(csv.DictReader(write_catalog(tmp_path, SHOP[:4], references=2).read_text().splitlines()))
    assert [row["sku"] for row in rows] == [design.sku for design in SHOP[:4] for _ in range(2)]
    files = [(tmp_path / row["image"]).read_bytes() for row in rows]
    assert {Image.open(io.BytesIO(file)).format for file in files} == {"JPEG"}
    assert len(set(files)) == 8


def test_training_views_are_complete_labelled_and_seeded(tmp_path: Path) -> None:
    tables = [write_views(tmp_path / name, seed=8, products=4, views=4) for name in ("a", "b")]
    rows, again = (list(csv.DictReader(table.read_text().splitlines())) for table in tables)
    assert rows == again
    assert Counter(row["sku"] for row in rows) == {f"s8-{product(8, index).sku}": 4 for index in range(4)}
    for row in rows:
        one, two = (tmp_path / name / row["image"] for name in ("a", "b"))
        assert one.read_bytes() == two.read_bytes()
