"""A shopper seen from behind, between camera and shelf: coat, head, one arm reaching out. Covers some slots, half
covers others.

Textured like cloth and hair, so that a covered slot cannot pass for an empty one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from inventory_match.rendering.designs import RGB


@dataclass(frozen=True, slots=True)
class Shopper:
    """`x` is where the spine is and `reach` where the hand is, in fractions of the scene's width; `top` is the top of
    the head; `hand` its height, both in fractions of the scene's height; `seed` weaves the cloth."""

    x: float
    reach: float
    top: float = 0.12
    hand: float = 0.4
    coat: RGB = (58, 74, 108)
    hair: RGB = (64, 44, 32)
    seed: int = 0


def draw_shopper(shopper: Shopper, size: tuple[int, int]) -> Image.Image:
    """The person as an RGBA layer of the scene's size, a little out of focus."""
    w, h = size
    layer = Image.new("RGBA", size, (0, 0, 0, 0))
    unit = h * 0.105
    x, top, hand = shopper.x * w, shopper.top * h, (shopper.reach * w, shopper.hand * h)
    side = 1 if shopper.reach > shopper.x else -1
    coat = _coat(size, x, top + unit * 2.35, hand, side)
    _hand(layer, hand, unit, side)
    box = coat.getbbox() or (0, 0, 1, 1)
    soft = coat.crop(box).filter(ImageFilter.BoxBlur(1))
    layer.paste(_cloth(shopper, soft.size, x - box[0], unit), box[:2], soft)
    _head(layer, shopper, x, top, unit)
    return layer.filter(ImageFilter.BoxBlur(1))


def _coat(size: tuple[int, int], x: float, neck: float, hand: tuple[float, float], side: int) -> Image.Image:
    """The outline of back and arm as a mask; the arm hangs by its elbow on the side of the hand."""
    h = size[1]
    unit = h * 0.105
    coat = Image.new("L", size, 0)
    canvas = ImageDraw.Draw(coat)
    half = [(0.6, neck - unit * 0.1), (1.35, neck + unit * 0.45), (1.75, neck + unit * 1.2), (1.95, h)]
    canvas.polygon(
        [(x + unit * out, y) for out, y in half] + [(x - unit * out, y) for out, y in reversed(half)], fill=255
    )
    shoulder = (x + side * unit * 1.25, neck + unit * 0.95)
    elbow = (shoulder[0] + (hand[0] - shoulder[0]) * 0.55, max(shoulder[1], hand[1]) + unit * 0.75)
    for start, end, wide in ((shoulder, elbow, 0.92), (elbow, hand, 0.7)):
        canvas.line((start, end), fill=255, width=round(unit * wide))
        for a, b in (start, end):
            r = unit * wide / 2
            canvas.ellipse((a - r, b - r, a + r, b + r), fill=255)
    return coat


def _cloth(shopper: Shopper, size: tuple[int, int], spine: float, unit: float) -> Image.Image:
    """Herringbone cloth with folds and a centre seam, darker to the sides."""
    w, h = size
    x, y = np.arange(w, dtype=np.float32)[None, :], np.arange(h, dtype=np.float32)[:, None]
    draw = np.random.default_rng(shopper.seed)
    weave = np.where((y + np.abs((x - spine) % 28 - 14) * 1.6) % 10 < 5, np.float32(-15), np.float32(15))
    coarse = Image.fromarray(draw.standard_normal((12, 14), np.float32)).resize(size, Image.Resampling.BICUBIC)
    folds = np.asarray(coarse, np.float32) * 9 + draw.standard_normal((h, w), np.float32) * 6
    across = np.clip((x - spine) / (unit * 2.1), -1.4, 1.4)
    light = 1.12 - 0.34 * across**2 - 0.18 * across
    seam = -38 * np.exp(-(((x - spine) / 3.0) ** 2))
    pixels = np.asarray(shopper.coat, np.float32) * light[..., None] + (weave + folds + seam)[..., None]
    cloth = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    opaque = Image.new("L", size, 255)
    return Image.merge("RGBA", (*cloth.split(), opaque))


def _hand(layer: Image.Image, at: tuple[float, float], unit: float, side: int) -> None:
    canvas = ImageDraw.Draw(layer)
    x, y = at[0] + side * unit * 0.25, at[1] - unit * 0.2
    skin, dark = (214, 168, 140, 255), (176, 128, 104, 255)
    canvas.ellipse((x - unit * 0.34, y - unit * 0.34, x + unit * 0.34, y + unit * 0.4), fill=skin)
    for finger in range(4):
        fx, fy = x + side * unit * 0.2, y - unit * (0.28 - 0.17 * finger)
        canvas.line(
            (fx - side * unit * 0.15, fy, fx + side * unit * 0.38, fy - unit * 0.04),
            fill=dark,
            width=round(unit * 0.19),
        )
        canvas.line(
            (fx - side * unit * 0.15, fy, fx + side * unit * 0.36, fy - unit * 0.05),
            fill=skin,
            width=round(unit * 0.14),
        )


def _head(layer: Image.Image, shopper: Shopper, x: float, top: float, unit: float) -> None:
    """The back of a head: neck, ears, hair in strands, a coat collar."""
    canvas = ImageDraw.Draw(layer)
    canvas.rectangle((x - unit * 0.42, top + unit * 1.6, x + unit * 0.42, top + unit * 2.4), fill=(196, 148, 122, 255))
    for side in (-1, 1):
        ear = x + side * unit * 0.82
        canvas.ellipse(
            (ear - unit * 0.14, top + unit * 0.85, ear + unit * 0.14, top + unit * 1.35), fill=(206, 156, 130, 255)
        )
    canvas.ellipse((x - unit * 0.82, top, x + unit * 0.82, top + unit * 2.05), fill=(*shopper.hair, 255))
    draw = np.random.default_rng(shopper.seed + 1)
    for _ in range(150):
        lean = float(draw.uniform(-0.78, 0.78))
        tone = float(draw.uniform(-26, 34))
        fill = (*(max(0, min(255, round(part + tone))) for part in shopper.hair), 255)
        reach = float(draw.uniform(0.5, 0.95)) * float(np.sqrt(max(0.0, 1 - (lean / 0.82) ** 2)))
        canvas.line(
            (x + unit * lean * 0.35, top + unit * 0.14, x + unit * lean, top + unit * (1.02 + reach * 0.98)),
            fill=fill,
            width=2,
        )
    collar = [
        (x - unit * 0.75, top + unit * 2.45),
        (x - unit * 0.55, top + unit * 2.05),
        (x + unit * 0.55, top + unit * 2.05),
        (x + unit * 0.75, top + unit * 2.45),
    ]
    canvas.polygon(collar, fill=(*(part // 2 for part in shopper.coat), 255))
