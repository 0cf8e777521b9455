"""Pixels to a network's input, by Pillow and numpy: the same batch for every runtime, and no torch where none is needed.

Pillow's bilinear filter widens with the shrinking, as torch's `antialias=True` does: their pixels differ by a grey level at
most, and the networks were trained on either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as Pillow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inventory_match.ports import Image
    from inventory_match.vision.weights import Preprocessing


def preprocess(crops: Sequence[Image], how: Preprocessing) -> NDArray[np.float32]:
    """RGB uint8 arrays (h, w, 3) to one float32 batch (n, 3, side, side), channels last in memory."""
    batch = np.stack([_square(crop, how) for crop in crops]).astype(np.float32)
    batch /= 255
    batch -= np.asarray(how.mean, np.float32)
    batch /= np.asarray(how.std, np.float32)
    return batch.transpose(0, 3, 1, 2)


def resized(pixels: Image, size: tuple[int, int]) -> Pillow.Image:
    """RGB uint8 (h, w, 3) at another size (width, height), smoothed before it shrinks."""
    return Pillow.fromarray(pixels).resize(size, Pillow.Resampling.BILINEAR)


def _square(crop: Image, how: Preprocessing) -> NDArray[np.uint8]:
    height, width = crop.shape[:2]
    if how.resize == "stretch":
        new = how.size, how.size
    else:
        scale = how.size / (min if how.resize == "shorter_side" else max)(height, width)
        new = max(1, round(width * scale)), max(1, round(height * scale))
    picture = resized(crop, new)
    if how.resize == "pad":
        red, green, blue = (round(255 * value) for value in how.mean)
        padded = Pillow.new("RGB", (how.size, how.size), (red, green, blue))
        padded.paste(picture, ((how.size - new[0]) // 2, (how.size - new[1]) // 2))
        picture = padded
    if how.crop is not None:
        left, top = (round((side - how.crop) / 2) for side in picture.size)
        picture = picture.crop((left, top, left + how.crop, top + how.crop))
    return np.asarray(picture)
