"""The bad photos a shop will send: five ways to spoil a crop, each defined exactly, so that figures can be compared.

They work on the decoded crop, RGB uint8 (h, w, 3), before the encoder's own preprocessing, and keep its size:

- blur: Gaussian, standard deviation 1.5 % of the shorter side: a lens out of focus, a hand that moved.
- low_light: 3.3 stops less light (linear light x 0.1, gamma 2.2: each value x 0.351), then Gaussian noise of standard
  deviation 6 of 255, as a small sensor adds.
- jpeg_30: saved and read again as JPEG of quality 30, chroma subsampled 4:2:0.
- rotation_15: turned about its middle by 15 degrees, left or right at random, bilinear; corners take the crop's mean colour.
- occlusion_20: a grey (128) rectangle in the crop's own shape over 20 % of its area, at a random place inside.

The random draws of a photo depend on the seed and its number only, not on batches or on the photos before it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as Pillow
from PIL import ImageFilter

if TYPE_CHECKING:
    from inventory_match.ports import Image

Spoil = Callable[["Image", int], "Image"]
"""A crop and the number of its photo to the crop as it would look on a bad day."""

Way = Callable[["Image", np.random.Generator], "Image"]

BLUR, LIGHT, NOISE, QUALITY, DEGREES, COVERED = 0.015, 0.1, 6.0, 30, 15.0, 0.2


def spoilers(seed: int) -> dict[str, Spoil]:
    """The five of them, by the names above."""
    ways: dict[str, Way] = {
        "blur": blur,
        "low_light": low_light,
        "jpeg_30": jpeg,
        "rotation_15": rotate,
        "occlusion_20": occlude,
    }
    return {name: partial(_spoilt, way, seed) for name, way in ways.items()}


def _spoilt(way: Way, seed: int, image: Image, number: int) -> Image:
    return way(image, np.random.default_rng([seed, number]))


def blur(image: Image, _: np.random.Generator) -> Image:
    spread = ImageFilter.GaussianBlur(BLUR * min(image.shape[:2]))
    return np.asarray(Pillow.fromarray(image).filter(spread))


def low_light(image: Image, draw: np.random.Generator) -> Image:
    dark = image * float(LIGHT ** (1 / 2.2)) + draw.normal(0, NOISE, image.shape)
    return dark.round().clip(0, 255).astype(np.uint8)


def jpeg(image: Image, _: np.random.Generator) -> Image:
    kept = BytesIO()
    Pillow.fromarray(image).save(kept, "JPEG", quality=QUALITY, subsampling="4:2:0")
    return np.asarray(Pillow.open(kept, formats=["JPEG"]))


def rotate(image: Image, draw: np.random.Generator) -> Image:
    red, green, blue = (round(float(value)) for value in image.reshape(-1, 3).mean(axis=0))
    turned = Pillow.fromarray(image).rotate(
        DEGREES * draw.choice([-1, 1]), Pillow.Resampling.BILINEAR, fillcolor=(red, green, blue)
    )
    return np.asarray(turned)


def occlude(image: Image, draw: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    high, wide = (max(1, round(side * COVERED**0.5)) for side in (height, width))
    top, left = (int(draw.integers(0, room + 1)) for room in (height - high, width - wide))
    covered = image.copy()
    covered[top : top + high, left : left + wide] = 128
    return covered
