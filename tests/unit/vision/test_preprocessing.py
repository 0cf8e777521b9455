"""What Pillow makes of pixels beside what torch makes of them, which networks are trained with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional

from inventory_match.rendering.designs import product
from inventory_match.rendering.studio import studio_view
from inventory_match.vision.preprocessing import preprocess
from inventory_match.vision.weights import Preprocessing

STRETCH = Preprocessing(size=96, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
CUT = replace(STRETCH, resize="shorter_side", crop=81)
PAD = replace(STRETCH, resize="pad")


def as_torch_does(pixels: torch.Tensor, how: Preprocessing) -> Any:
    """uint8 (3, h, w) to uint8 (3, side, side), all of it by torchvision, which has no types."""
    height, width = pixels.shape[1:]
    if how.resize == "stretch":
        return functional.resize(pixels, [how.size, how.size], antialias=True)
    if how.resize == "shorter_side":
        return functional.center_crop(functional.resize(pixels, [how.size], antialias=True), [81])
    new = [max(1, round(side * how.size / max(height, width))) for side in (height, width)]
    high, wide = (how.size - side for side in new)
    around = [wide // 2, high // 2, wide - wide // 2, high - high // 2]
    fill = [round(255 * value) for value in how.mean]
    return functional.pad(functional.resize(pixels, new, antialias=True), around, fill=fill)


@pytest.mark.parametrize("how", [STRETCH, CUT, PAD], ids=lambda how: how.resize)
@pytest.mark.parametrize("height", [50, 131, 400])
def test_pixels_are_those_of_torch_to_a_grey_level(how: Preprocessing, height: int) -> None:
    view = np.asarray(studio_view(product(7, 3), np.random.default_rng(height), plain=False, height=height))[3:, 2:]
    wanted = as_torch_does(torch.from_numpy(view.copy()).permute(2, 0, 1), how).permute(1, 2, 0).numpy()
    [found] = preprocess([view], how).transpose(0, 2, 3, 1)
    levels = (found * np.array(how.std) + np.array(how.mean)) * 255
    assert np.abs(levels - wanted).max() < 1.01
    assert np.abs(levels - wanted).mean() < 0.3
    assert levels.std() > 20, "a picture, not a plain"


def test_a_batch_lies_channels_last_for_torch_and_takes_crops_of_any_size() -> None:
    views = [np.full((height, 30, 3), value, np.uint8) for height, value in ((9, 255), (400, 0), (1, 127))]
    batch = preprocess(views, STRETCH)
    assert batch.shape == (3, 3, 96, 96)
    assert batch.dtype == np.float32
    assert torch.from_numpy(batch).is_contiguous(memory_format=torch.channels_last)
    plain = (np.array([[1], [0], [127 / 255]]) - np.array(STRETCH.mean)) / STRETCH.std
    assert batch[:, :, 50, 50] == pytest.approx(plain, abs=1e-5)
