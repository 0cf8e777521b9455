"""Rendered scenes: their boxes lie where the packs are, and follow the seed."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from inventory_match.rendering.scenes import FACING, Scene, scene

LOUD = [Image.new("RGBA", (60, 90), colour) for colour in ((255, 0, 255, 255), (0, 255, 0, 255))]
"""Packs of colours that no wall, board or ticket is painted in."""
SIZE = (320, 240)


def drawn(seed: int) -> Scene:
    return scene(LOUD, np.random.default_rng(seed), SIZE)


def loud(picture: Image.Image) -> np.ndarray:
    """Where the packs' colours are, (h, w)."""
    hsv = np.asarray(picture.convert("HSV"), np.int16)
    return (hsv[..., 1] > 150) & (hsv[..., 2] > 40)


def test_the_same_seed_draws_the_same_scene() -> None:
    one, other = drawn(5), drawn(5)
    assert one.image.tobytes() == other.image.tobytes()
    assert (one.facings, one.doubtful) == (other.facings, other.doubtful)
    assert drawn(6).facings != one.facings


def test_boxes_hold_the_packs_and_little_else_does() -> None:
    inside, outside = [], []
    for seed in range(12):
        made = drawn(seed)
        packs, covered = loud(made.image), np.zeros(SIZE[::-1], bool)
        for box in (*made.facings, *made.doubtful):
            left, top, right, bottom = box.pixels(*SIZE)
            covered[top:bottom, left:right] = True
        for box in made.facings:
            left, top, right, bottom = box.pixels(*SIZE)
            inside.append(packs[top:bottom, left:right].mean())
        outside.append(packs[~covered].mean() if (~covered).any() else 0.0)
    assert np.median(inside) > 0.8
    assert np.mean(outside) < 0.1


def test_scenes_are_of_many_kinds() -> None:
    counts = [len(drawn(seed).facings) for seed in range(30)]
    assert min(counts) <= 3
    assert max(counts) >= 25


@pytest.mark.parametrize("seed", range(3))
def test_what_is_mostly_hidden_is_no_facing(seed: int) -> None:
    assert 0 < FACING <= 0.5
    made = drawn(seed)
    assert not set(made.facings) & set(made.doubtful)
