"""What is printed behind everything else on a pack: one pattern a template, in the design's two colours."""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL.ImageDraw import ImageDraw

from inventory_match.rendering.designs import RGB, PackDesign
from inventory_match.rendering.motifs import shade

_PAPER: RGB = (250, 246, 236)
Background = Callable[[ImageDraw, PackDesign, int, int], None]


def draw_background(canvas: ImageDraw, design: PackDesign, width: int, height: int) -> None:
    """Fill a canvas of that size, already painted in the base colour, with the pattern of the design's template."""
    BACKGROUNDS[design.template](canvas, design, width, height)


def _tint(base: RGB) -> RGB:
    """The base colour's quiet companion."""
    return shade(base, 0.22 if sum(base) < 420 else -0.14)


def _band(canvas: ImageDraw, design: PackDesign, w: int, h: int) -> None:
    canvas.rectangle((0, h * 0.07, w, h * 0.33), fill=design.accent)
    canvas.rectangle((0, h * 0.335, w, h * 0.35), fill=_PAPER)
    canvas.rectangle((0, h * 0.9, w, h), fill=design.accent)


def _diagonal(canvas: ImageDraw, design: PackDesign, w: int, h: int) -> None:
    canvas.polygon([(0, h * 0.45), (w, h * 0.2), (w, h), (0, h)], fill=_tint(design.base))
    canvas.polygon([(0, h * 0.48), (w, h * 0.23), (w, h * 0.31), (0, h * 0.56)], fill=design.accent)


def _roundel(canvas: ImageDraw, design: PackDesign, w: int, h: int) -> None:
    for step in range(6, 0, -1):
        r, fill = w * 0.16 * step, design.accent if step % 2 else design.base
        canvas.ellipse((w / 2 - r, h * 0.55 - r, w / 2 + r, h * 0.55 + r), fill=fill)


def _stripes(canvas: ImageDraw, design: PackDesign, w: int, h: int) -> None:
    for step in range(0, 9, 2):
        canvas.rectangle((w * step / 9, 0, w * (step + 1) / 9, h), fill=design.accent)


def _waves(canvas: ImageDraw, design: PackDesign, w: int, h: int) -> None:
    for step, fill in enumerate((_tint(design.base), design.accent, shade(design.accent, -0.25))):
        level = h * (0.56 + 0.13 * step)
        crest = [(w * i / 40, level + h * 0.028 * math.sin(i / 3.2 + step * 1.7)) for i in range(41)]
        canvas.polygon([*crest, (w, h), (0, h)], fill=fill)


def _rays(canvas: ImageDraw, design: PackDesign, w: int, h: int) -> None:
    x, y, far = w / 2, h * 0.55, w + h
    for step in range(0, 24, 2):
        edges = [math.pi * (step + side) / 12 for side in (0, 1)]
        tips = [(x + far * math.cos(angle), y + far * math.sin(angle)) for angle in edges]
        canvas.polygon([(x, y), *tips], fill=_tint(design.base))
    canvas.rectangle((0, 0, w, h * 0.31), fill=design.accent)


def _split(canvas: ImageDraw, design: PackDesign, w: int, h: int) -> None:
    canvas.rectangle((0, h * 0.55, w, h), fill=design.accent)
    canvas.rectangle((0, h * 0.53, w, h * 0.55), fill=_PAPER)


def _checks(canvas: ImageDraw, design: PackDesign, w: int, h: int) -> None:
    side = w / 6
    for row in range(math.ceil(h / side)):
        fill = design.accent if row * side > h * 0.74 or row == 0 else _tint(design.base)
        for column in range(row % 2, 6, 2):
            canvas.rectangle((column * side, row * side, (column + 1) * side, (row + 1) * side), fill=fill)


BACKGROUNDS: dict[str, Background] = {
    "band": _band, "diagonal": _diagonal, "roundel": _roundel, "stripes": _stripes, "waves": _waves, "rays": _rays,
    "split": _split, "checks": _checks,
}  # fmt: skip
