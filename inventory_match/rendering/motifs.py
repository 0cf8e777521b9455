"""The little pictures on the packs: fruit, leaf, sun, bean and the rest, each a few strokes around a centre.

A motif is a function (canvas, x, y, radius, colour, ink): `colour` fills, `ink` draws the detail. All of them stay
inside the circle they are given, so a layout can place any motif anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from PIL.ImageDraw import ImageDraw

from inventory_match.rendering.designs import RGB

Motif = Callable[[ImageDraw, float, float, float, RGB, RGB], None]
Point = tuple[float, float]


def shade(colour: RGB, towards: float) -> RGB:
    """Darker for a negative `towards` (to -1, black), lighter for a positive one (to 1, white)."""
    goal = 255 if towards > 0 else 0
    red, green, blue = (round(part + (goal - part) * abs(towards)) for part in colour)
    return red, green, blue


def disc(canvas: ImageDraw, x: float, y: float, radius: float, fill: RGB) -> None:
    """A filled circle."""
    canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


def around(x: float, y: float, radius: float, count: int, turn: float = 0.0) -> Iterable[Point]:
    """`count` points evenly on a circle, starting at the top."""
    for step in range(count):
        angle = 2 * math.pi * step / count - math.pi / 2 + turn
        yield x + radius * math.cos(angle), y + radius * math.sin(angle)


def _spiky(canvas: ImageDraw, x: float, y: float, outer: float, inner: float, count: int, fill: RGB) -> None:
    tips, dents = around(x, y, outer, count), around(x, y, inner, count, math.pi / count)
    canvas.polygon([point for pair in zip(tips, dents, strict=True) for point in pair], fill=fill)


def _leaf_shape(x: float, y: float, length: float, angle: float) -> list[Point]:
    steps = [(i / 12, 1) for i in range(13)] + [(i / 12, -1) for i in range(12, -1, -1)]
    along = [(length * t, side * length * 0.27 * math.sin(math.pi * t**0.8)) for t, side in steps]
    return [
        (x + a * math.cos(angle) - b * math.sin(angle), y + a * math.sin(angle) + b * math.cos(angle)) for a, b in along
    ]


def _sun(canvas: ImageDraw, x: float, y: float, r: float, colour: RGB, ink: RGB) -> None:
    _spiky(canvas, x, y, r, r * 0.66, 14, colour)
    disc(canvas, x, y, r * 0.58, ink)
    disc(canvas, x, y, r * 0.5, shade(colour, 0.35))


def _star(canvas: ImageDraw, x: float, y: float, r: float, colour: RGB, ink: RGB) -> None:
    _spiky(canvas, x, y, r, r * 0.42, 5, ink)
    _spiky(canvas, x, y, r * 0.8, r * 0.34, 5, colour)


def _citrus(canvas: ImageDraw, x: float, y: float, r: float, colour: RGB, ink: RGB) -> None:
    disc(canvas, x, y, r, shade(colour, -0.12))
    disc(canvas, x, y, r * 0.9, shade(colour, 0.82))
    for step in range(8):
        canvas.pieslice(
            (x - r * 0.8, y - r * 0.8, x + r * 0.8, y + r * 0.8), step * 45 + 4, step * 45 + 41, fill=colour
        )
    disc(canvas, x, y, r * 0.1, shade(colour, 0.82))
    canvas.polygon(_leaf_shape(x + r * 0.35, y - r * 0.72, r * 0.6, -0.35), fill=ink)


def _berries(canvas: ImageDraw, x: float, y: float, r: float, colour: RGB, ink: RGB) -> None:
    canvas.polygon(_leaf_shape(x, y - r * 0.5, r * 0.75, -0.5), fill=ink)
    canvas.polygon(_leaf_shape(x, y - r * 0.5, r * 0.75, math.pi + 0.5), fill=ink)
    for dx, dy in ((-0.5, -0.2), (0.5, -0.2), (0.0, -0.12), (-0.26, 0.3), (0.28, 0.3), (0.0, 0.68)):
        cx, cy, size = x + dx * r, y + dy * r, r * 0.31
        disc(canvas, cx, cy, size, shade(colour, -0.35))
        disc(canvas, cx, cy, size * 0.88, colour)
        disc(canvas, cx - size * 0.3, cy - size * 0.35, size * 0.26, shade(colour, 0.7))


def _apple(canvas: ImageDraw, x: float, y: float, r: float, colour: RGB, ink: RGB) -> None:
    for side in (-1, 1):
        canvas.ellipse(
            (x + side * r * 0.32 - r * 0.56, y - r * 0.5, x + side * r * 0.32 + r * 0.56, y + r * 0.9), fill=colour
        )
    canvas.ellipse((x - r * 0.62, y - r * 0.22, x - r * 0.28, y + r * 0.3), fill=shade(colour, 0.55))
    canvas.line((x, y - r * 0.36, x + r * 0.14, y - r * 0.95), fill=shade(ink, -0.4), width=max(2, round(r * 0.11)))
    canvas.polygon(_leaf_shape(x + r * 0.1, y - r * 0.6, r * 0.68, -0.4), fill=ink)


def _leaf(canvas: ImageDraw, x: float, y: float, r: float, colour: RGB, ink: RGB) -> None:
    for angle, tone in ((-2.2, -0.2), (-0.95, 0.1), (-1.57, 0.3)):
        canvas.polygon(_leaf_shape(x, y + r * 0.8, r * 1.7, angle), fill=shade(colour, tone))
        end = (x + r * 1.45 * math.cos(angle), y + r * 0.8 + r * 1.45 * math.sin(angle))
        canvas.line(((x, y + r * 0.8), end), fill=ink, width=max(2, round(r * 0.05)))


def _bean(canvas: ImageDraw, x: float, y: float, r: float, colour: RGB, ink: RGB) -> None:
    brown = shade((98, 56, 32), 0.12)
    for dx, dy, size in ((-0.4, -0.32, 0.5), (0.42, -0.05, 0.54), (-0.2, 0.46, 0.5)):
        cx, cy, a, b = x + dx * r, y + dy * r, size * r * 0.78, size * r
        canvas.ellipse((cx - a, cy - b, cx + a, cy + b), fill=shade(brown, -0.45))
        canvas.ellipse((cx - a * 0.86, cy - b * 0.9, cx + a * 0.8, cy + b * 0.86), fill=brown)
        canvas.arc(
            (cx - a * 1.1, cy - b * 0.9, cx + a * 0.2, cy + b * 0.9), -62, 62, fill=ink, width=max(2, round(r * 0.07))
        )
    del colour


def _wheat(canvas: ImageDraw, x: float, y: float, r: float, colour: RGB, ink: RGB) -> None:
    for lean in (-0.34, 0.0, 0.34):
        foot, angle = (x + lean * r * 0.2, y + r), -math.pi / 2 + lean
        tip = (foot[0] + 1.9 * r * math.cos(angle), foot[1] + 1.9 * r * math.sin(angle))
        canvas.line((foot, tip), fill=ink, width=max(2, round(r * 0.06)))
        for step in range(5):
            reach = r * (0.85 + 0.2 * step)
            cx, cy = foot[0] + reach * math.cos(angle), foot[1] + reach * math.sin(angle)
            for side in (-0.6, 0.6):
                canvas.polygon(_leaf_shape(cx, cy, r * 0.42, angle + side), fill=colour)


def _comb(canvas: ImageDraw, x: float, y: float, r: float, colour: RGB, ink: RGB) -> None:
    cells = [(x, y), *around(x, y, r * 0.64, 6)]
    for number, (cx, cy) in enumerate(cells):
        canvas.polygon(list(around(cx, cy, r * 0.36, 6, math.pi / 6)), fill=ink)
        canvas.polygon(list(around(cx, cy, r * 0.29, 6, math.pi / 6)), fill=shade(colour, 0.3 if number % 3 else -0.1))


def _cookie(canvas: ImageDraw, x: float, y: float, r: float, colour: RGB, ink: RGB) -> None:
    dough = (214, 160, 92)
    _spiky(canvas, x, y, r, r * 0.93, 24, shade(dough, -0.3))
    disc(canvas, x, y, r * 0.88, dough)
    for cx, cy in (*around(x, y, r * 0.58, 7, 0.2), *around(x, y, r * 0.24, 3)):
        disc(canvas, cx, cy, r * 0.12, shade(colour, -0.35))
        disc(canvas, cx - r * 0.03, cy - r * 0.03, r * 0.06, ink)


def _flame(canvas: ImageDraw, x: float, y: float, r: float, colour: RGB, ink: RGB) -> None:
    for dx, size, tone in ((-0.38, 1.25, -0.15), (0.4, 1.35, -0.05), (0.0, 1.9, 0.1)):
        canvas.polygon(
            _leaf_shape(x + dx * r, y + r * 0.92, r * size, -math.pi / 2 + dx * 0.5), fill=shade(colour, tone)
        )
    canvas.polygon(_leaf_shape(x, y + r * 0.86, r * 1.05, -math.pi / 2), fill=(252, 206, 60))
    del ink


def _bubbles(canvas: ImageDraw, x: float, y: float, r: float, colour: RGB, ink: RGB) -> None:
    for dx, dy, size in (
        (-0.35, 0.3, 0.52),
        (0.42, 0.42, 0.36),
        (0.3, -0.34, 0.44),
        (-0.42, -0.55, 0.28),
        (0.0, -0.84, 0.15),
    ):
        cx, cy, s = x + dx * r, y + dy * r, size * r
        disc(canvas, cx, cy, s, ink)
        disc(canvas, cx, cy, s * 0.86, shade(colour, 0.55))
        canvas.arc(
            (cx - s * 0.6, cy - s * 0.6, cx + s * 0.6, cy + s * 0.6),
            180,
            260,
            fill=(255, 255, 255),
            width=max(2, round(s * 0.16)),
        )


def _drop(canvas: ImageDraw, x: float, y: float, r: float, colour: RGB, ink: RGB) -> None:
    for size, fill in ((1.0, ink), (0.86, colour)):
        s = r * 0.62 * size
        disc(canvas, x, y + r * 0.34, s, fill)
        canvas.polygon([(x - s * 0.93, y + r * 0.16), (x, y - r * size), (x + s * 0.93, y + r * 0.16)], fill=fill)
    canvas.arc(
        (x - r * 0.36, y - r * 0.02, x + r * 0.36, y + r * 0.72),
        95,
        175,
        fill=shade(colour, 0.75),
        width=max(2, round(r * 0.1)),
    )


def _heart(canvas: ImageDraw, x: float, y: float, r: float, colour: RGB, ink: RGB) -> None:
    for size, fill in ((1.0, ink), (0.84, colour)):
        curve = [(16 * math.sin(t) ** 3, 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t))
                 for t in (2 * math.pi * i / 60 for i in range(60))]  # fmt: skip
        canvas.polygon([(x + a * r * size / 17, y - b * r * size / 17) for a, b in curve], fill=fill)
    canvas.ellipse((x - r * 0.56, y - r * 0.5, x - r * 0.28, y - r * 0.2), fill=shade(colour, 0.7))


def _flower(canvas: ImageDraw, x: float, y: float, r: float, colour: RGB, ink: RGB) -> None:
    for number, (cx, cy) in enumerate(around(x, y, r * 0.58, 8)):
        disc(canvas, cx, cy, r * 0.4, shade(colour, 0.35 if number % 2 else 0.1))
    disc(canvas, x, y, r * 0.36, ink)
    disc(canvas, x, y, r * 0.28, (252, 214, 80))


def _mountain(canvas: ImageDraw, x: float, y: float, r: float, colour: RGB, ink: RGB) -> None:
    disc(canvas, x + r * 0.38, y - r * 0.4, r * 0.28, (252, 206, 80))
    for dx, height, width, tone in ((0.42, 0.72, 0.56, -0.1), (-0.25, 1.3, 0.72, 0.12)):
        foot, peak = y + r * 0.66, y + r * 0.66 - r * height
        cx = x + dx * r
        canvas.polygon([(cx - r * width, foot), (cx, peak), (cx + r * width, foot)], fill=shade(colour, tone))
        snow = 0.32
        brow, half = peak + r * height * snow, r * width * snow
        canvas.polygon([(cx - half, brow), (cx, peak), (cx + half, brow)], fill=(248, 250, 255))
    canvas.rectangle((x - r * 0.97, y + r * 0.62, x + r * 0.97, y + r * 0.74), fill=ink)


def _wave(canvas: ImageDraw, x: float, y: float, r: float, colour: RGB, ink: RGB) -> None:
    for row, tone in ((-0.5, 0.4), (-0.05, 0.15), (0.4, -0.1)):
        reach = r * math.sqrt(1 - row * row) * 0.98
        crest = [(x + reach * (i / 20 - 1), y + r * (row + 0.15 * math.sin(i / 2.6))) for i in range(41)]
        canvas.line(crest, fill=ink, width=max(3, round(r * 0.3)), joint="curve")
        canvas.line(crest, fill=shade(colour, tone), width=max(2, round(r * 0.2)), joint="curve")


def _zigzag(canvas: ImageDraw, x: float, y: float, r: float, colour: RGB, ink: RGB) -> None:
    for row, tone in ((-0.55, 0.3), (0.0, 0.0), (0.55, -0.2)):
        reach = r * math.sqrt(1 - row * row) * 0.95
        teeth = [(x + reach * (i / 4 - 1), y + r * (row + (0.17 if i % 2 else -0.17))) for i in range(9)]
        canvas.line(teeth, fill=ink, width=max(3, round(r * 0.28)), joint="curve")
        canvas.line(teeth, fill=shade(colour, tone), width=max(2, round(r * 0.18)), joint="curve")


MOTIFS: dict[str, Motif] = {
    "sun": _sun, "star": _star, "citrus": _citrus, "berries": _berries, "apple": _apple, "leaf": _leaf, "bean": _bean,
    "wheat": _wheat, "comb": _comb, "cookie": _cookie, "flame": _flame, "bubbles": _bubbles, "drop": _drop,
    "heart": _heart, "flower": _flower, "mountain": _mountain, "wave": _wave, "zigzag": _zigzag,
}  # fmt: skip
