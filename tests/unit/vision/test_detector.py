"""What the detector says of places that are empty, occupied, dark, blown out or blurred."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from inventory_match.domain.photos import WHOLE, Box
from inventory_match.rendering.camera import Camera, Light
from inventory_match.rendering.designs import product
from inventory_match.rendering.shelf import ShelfLayout, shelf_photo
from inventory_match.rendering.shopper import Shopper
from inventory_match.vision.detector import FixedRegions, texture

DESIGNS = [product(907, index) for index in range(24)]
LAYOUT = ShelfLayout(tuple(design.sku for design in DESIGNS), rows=3, columns=8)
EMPTY = {1, 6, 10, 11, 17, 23}
LEFT, RIGHT = Box(0.0, 0.0, 0.5, 1.0), Box(0.5, 0.0, 1.0, 1.0)


def shelf(camera: Camera, light: Light, seed: int = 5) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    contents = {slot: design for slot, design in enumerate(DESIGNS) if slot not in EMPTY}
    return np.asarray(shelf_photo(LAYOUT, contents, seed, camera=camera, light=light).image)


@pytest.mark.parametrize(
    "light", [Light(), Light(brightness=0.55, warmth=0.9, slope_x=0.3), Light(brightness=1.15, lamp=0.3)]
)
@pytest.mark.parametrize("noise", [2.0, 9.0])
def test_empty_slots_are_void_and_full_ones_are_not(light: Light, noise: float) -> None:
    camera = Camera(noise=noise)
    regions = FixedRegions()(shelf(camera, light), LAYOUT.regions(camera))
    assert [region.position for region in regions] == list(range(24))
    assert [region.box for region in regions] == list(LAYOUT.regions(camera))
    assert {region.position for region in regions if region.answer == "void"} == EMPTY
    assert {region.answer for region in regions if region.position not in EMPTY} == {"candidate"}


def test_a_covered_lens_is_never_sold_out() -> None:
    black = np.random.default_rng(0).integers(0, 8, (480, 640, 3), dtype=np.uint8)
    for region in FixedRegions()(black, [LEFT, RIGHT]):
        assert region.answer == "not_assessable"
        assert (region.reason or "").startswith("too dark: brightness 3.")


def test_a_blown_out_place_is_not_assessable() -> None:
    image = shelf(Camera(), Light()).copy()
    image[:, 640:] = 255
    regions = FixedRegions()(image, [LEFT, RIGHT])
    assert (regions[0].answer, regions[1].answer) == ("candidate", "not_assessable")
    assert regions[1].reason == "blown out: 100% of it is above 70%"


def test_a_pack_out_of_focus_is_not_assessable() -> None:
    camera = Camera()
    blurred = np.asarray(Image.fromarray(shelf(camera, Light())).filter(ImageFilter.GaussianBlur(10)))
    regions = FixedRegions()(blurred, LAYOUT.regions(camera))
    packs = [region for region in regions if region.position not in EMPTY]
    assert {region.answer for region in packs} == {"not_assessable"}
    assert all((region.reason or "").startswith("too blurred: focus 0.0") for region in packs)


def test_a_limit_of_zero_switches_a_check_off() -> None:
    dark = np.zeros((100, 100, 3), np.uint8)
    assert FixedRegions(min_brightness=0)(dark, [LEFT])[0].answer == "void"


def test_without_boxes_the_whole_photo_is_one_candidate() -> None:
    (region,) = FixedRegions()(shelf(Camera(), Light()), [])
    assert (region.position, region.box, region.answer) == (0, WHOLE, "candidate")


def test_without_boxes_only_a_blank_photo_is_void() -> None:
    faint = np.full((200, 200, 3), 240, np.uint8)
    faint[60:140, 60:140] = 225  # a pale thing on a pale ground
    assert FixedRegions()(faint, [])[0].answer == "candidate"
    assert FixedRegions()(np.full((200, 200, 3), 240, np.uint8), [])[0].answer == "void"


def test_figures_do_not_follow_the_brightness() -> None:
    image = np.random.default_rng(1).integers(60, 200, (90, 60, 3)).repeat(8, 0).repeat(8, 1)
    bright, dim = texture(image.astype(np.uint8)), texture((image * 0.5).astype(np.uint8))
    assert dim.contrast == pytest.approx(bright.contrast, rel=0.05)
    assert dim.edges == pytest.approx(bright.edges, abs=0.05)
    assert dim.brightness == pytest.approx(bright.brightness / 2, rel=0.02)


@pytest.mark.parametrize("x", [0.27, 0.5, 0.62])
def test_a_plain_coat_in_front_of_the_shelf_is_no_empty_place(x: float) -> None:
    camera = Camera()
    contents = dict(enumerate(DESIGNS))
    photo = shelf_photo(LAYOUT, contents, 5, camera=camera, light=Light(), occluder=Shopper(x, 0.4))
    regions = FixedRegions()(np.asarray(photo.image), LAYOUT.regions(camera))
    assert min(photo.uncovered) < 0.05, "some places are covered"
    assert not [region for region in regions if region.answer == "void"]


def test_a_plain_table_needs_no_shelf_edge() -> None:
    table = np.full((480, 640, 3), (182, 176, 170), np.uint8)
    rng = np.random.default_rng(3)
    table[100:380, 60:240] = rng.integers(0, 255, (28, 18, 3), dtype=np.uint8).repeat(10, 0).repeat(10, 1)
    boxes = [Box(0.09, 0.2, 0.38, 0.8), Box(0.6, 0.2, 0.9, 0.8)]
    assert [region.answer for region in FixedRegions()(table, boxes)] == ["candidate", "void"]
    table[60:, 370:600] = (40, 52, 96)
    assert [region.answer for region in FixedRegions()(table, boxes)] == ["candidate", "not_assessable"]
