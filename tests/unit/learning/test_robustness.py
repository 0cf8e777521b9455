"""Each way to spoil a crop does what its definition says, and does the same again for the same seed and photo."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image as Pillow

from inventory_match.learning.robustness import spoilers

if TYPE_CHECKING:
    from inventory_match.ports import Image

NAMES = ["blur", "low_light", "jpeg_30", "rotation_15", "occlusion_20"]


def noisy(height: int = 120, width: int = 90) -> Image:
    return np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", NAMES)
def test_size_and_kind_stay_and_the_seed_decides(name: str) -> None:
    image = noisy()
    before = image.copy()
    spoilt = spoilers(1)[name](image, 7)
    assert spoilt.shape == image.shape
    assert spoilt.dtype == np.uint8
    assert not np.array_equal(spoilt, image)
    assert np.array_equal(image, before), "the photo itself is left alone"
    assert np.array_equal(spoilt, spoilers(1)[name](image, 7))


@pytest.mark.parametrize("name", ["low_light", "occlusion_20"])
def test_another_seed_or_photo_draws_anew(name: str) -> None:
    image = noisy()
    views = [spoilers(seed)[name](image, number).tobytes() for seed, number in ((1, 7), (1, 8), (2, 7))]
    assert len(set(views)) == 3


def test_there_are_five() -> None:
    assert list(spoilers(0)) == NAMES


def test_blur_spreads_a_point_as_a_gaussian_of_its_width_would() -> None:
    image = np.zeros((201, 301, 3), np.uint8)
    image[100, 150] = 255
    image[90:111, 140:161] = 255  # a block, so that little is lost in rounding
    spoilt = spoilers(0)["blur"](image, 0).astype(float)[:, :, 0]
    edge = spoilt[100, 130:171] / 255
    middles = np.interp([0.16, 0.84], edge[:20], np.arange(20))
    assert (middles[1] - middles[0]) / 2 == pytest.approx(0.015 * 201, rel=0.15)


def test_low_light_is_a_tenth_of_the_light_and_noise() -> None:
    spoilt = spoilers(0)["low_light"](np.full((200, 200, 3), 200, np.uint8), 0).astype(float)
    assert spoilt.mean() == pytest.approx(200 * 0.1 ** (1 / 2.2), abs=0.2)
    assert spoilt.std() == pytest.approx(6, rel=0.02)


def test_jpeg_is_what_pillow_saves_at_quality_30() -> None:
    kept = BytesIO()
    Pillow.fromarray(noisy()).save(kept, "JPEG", quality=30, subsampling=2)
    assert np.array_equal(spoilers(0)["jpeg_30"](noisy(), 0), np.asarray(Pillow.open(kept)))


def test_rotation_turns_a_line_by_15_degrees_either_way() -> None:
    image = np.zeros((201, 201, 3), np.uint8)
    image[99:102] = 255
    angles = set()
    for number in range(8):
        rows, columns = np.nonzero(spoilers(0)["rotation_15"](image, number)[:, 20:181, 0] > 128)
        angles.add(round(float(np.degrees(np.arctan(np.polyfit(columns, rows, 1)[0])))))
    assert angles == {-15, 15}


def test_corners_of_a_turned_crop_take_its_mean() -> None:
    image = np.full((100, 100, 3), (10, 200, 30), np.uint8)
    assert np.array_equal(spoilers(0)["rotation_15"](image, 0), image)


@pytest.mark.parametrize(("height", "width"), [(100, 100), (37, 210), (1, 1)])
def test_a_grey_rectangle_covers_a_fifth(height: int, width: int) -> None:
    for number in range(20):
        covered = (spoilers(0)["occlusion_20"](np.zeros((height, width, 3), np.uint8), number) == 128).all(axis=2)
        rows, columns = np.nonzero(covered)
        high, wide = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert covered.sum() == high * wide, "one whole rectangle"
        assert (high, wide) == (max(1, round(height * 0.2**0.5)), max(1, round(width * 0.2**0.5)))
