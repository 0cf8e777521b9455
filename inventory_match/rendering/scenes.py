"""Shelves as photographs find them, for training a detector: every layout a little different, every facing with its box.

Where `shelf` draws the one tidy grid of a shop whose truth must be known to the last pack, a scene is drawn to be hard:
rows cut by the edge of the photo, packs of all heights side by side and on top of each other, second ranks behind them,
hanging bags, voids, promotion tickets and hands before them, glass doors, slanted views, bad light. `scene` returns the photo
and its boxes. A box counts as a facing where at least half of it can be seen and no other pack stands before it; what is
seen less is returned apart (`doubtful`), since neither finding it nor overlooking it is a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inventory_match.domain.photos import Box
from inventory_match.rendering import fixtures
from inventory_match.rendering.camera import Camera, Corners, Light, Matrix, develop, through_lens, view_of
from inventory_match.rendering.shopper import draw_shopper
from inventory_match.rendering.studio import some_light, some_shopper

FACING, DOUBTFUL = 0.5, 0.12
"""Shares of a pack that must be seen for it to be a facing, and for it to be worth a thought at all."""
_LEAST = 0.008
"""Sides below this, in sides of the photo, are no box."""
_STACKED = 1.15
"""Packs lower than this, in widths, are stacked."""


@dataclass(frozen=True, slots=True)
class Scene:
    """An RGB photo, the boxes of its facings from back to front, and of what can hardly be seen."""

    image: Image.Image
    facings: tuple[Box, ...]
    doubtful: tuple[Box, ...] = ()


@dataclass(slots=True)
class _Stage:
    """A scene being drawn: its picture, and the packs as (left, top, right, bottom) px from back to front."""

    picture: Image.Image
    draw: np.random.Generator
    packs: list[tuple[float, float, float, float]] = field(default_factory=list)

    def put(self, pack: Image.Image, x: float, feet: float, *, facing: bool = True) -> None:
        left, top = round(x), round(feet - pack.height)
        self.picture.paste(pack, (left, top), pack)
        if facing:
            self.packs.append((left, top, left + pack.width, top + pack.height))


def scene(packs: Sequence[Image.Image], draw: np.random.Generator, size: tuple[int, int]) -> Scene:
    """A photo of `size` px drawn with `packs` (RGBA pictures of fronts, any height): mostly shelves, now and then a few packs
    lying about."""
    w, h = size
    stage = _Stage(fixtures.wall(size, draw), draw)
    if draw.random() < 0.12:
        _lying_about(stage, packs)
    else:
        _shelves(stage, packs)
    cover = _covered(stage)
    boxes = np.array(stage.packs, np.float64).reshape(-1, 4)
    seen = _visible(boxes, np.asarray(cover, np.float32) / 255, size)
    view = view_of(Camera(_slanted(draw)), draw)
    photo = through_lens(stage.picture, view)
    photo = develop(photo, Camera(noise=draw.uniform(0.5, 9), blur=_blur(draw)), _light(draw), draw)
    facings: list[Box] = []
    doubtful: list[Box] = []
    for corners, share in zip(boxes / [w, h, w, h], seen, strict=True):
        box, inside = _photographed(view, corners)
        if box is None or share * inside < DOUBTFUL:
            continue
        (facings if share * inside >= FACING else doubtful).append(box)
    return Scene(photo, tuple(facings), tuple(doubtful))


def _photographed(view: Matrix, corners: NDArray[np.float64]) -> tuple[Box | None, float]:
    """Where a box of the scene is in the photo, and the share of it that is inside; None where nothing to speak of is."""
    x0, y0, x1, y1 = corners
    points = np.array([(x0, y0, 1), (x1, y0, 1), (x1, y1, 1), (x0, y1, 1)]) @ view.T
    at = points[:, :2] / points[:, 2:]
    (left, top), (right, bottom) = at.min(axis=0), at.max(axis=0)
    cut = [min(max(float(v), 0.0), 1.0) for v in (left, top, right, bottom)]
    wide, high = cut[2] - cut[0], cut[3] - cut[1]
    if wide < _LEAST or high < _LEAST:
        return None, 0.0
    return Box(*cut), wide * high / float((right - left) * (bottom - top))


def _visible(boxes: NDArray[np.float64], cover: NDArray[Any], size: tuple[int, int]) -> list[float]:
    """The share of each box within the scene that is behind neither a later pack nor what covers the scene."""
    w, h = size
    front = cover > 0.5
    shares = []
    for x0, y0, x1, y1 in boxes[::-1]:
        left, top, right, bottom = (int(v) for v in (max(x0, 0), max(y0, 0), min(x1, w), min(y1, h)))
        if right <= left or bottom <= top:
            shares.append(0.0)
            continue
        open_ = (~front[top:bottom, left:right]).sum()
        shares.append(float(open_) / ((right - left) * (bottom - top)))
        front[top:bottom, left:right] = True
    return shares[::-1]


def _shelves(stage: _Stage, packs: Sequence[Image.Image]) -> None:
    """Rows from above the upper edge to below the lower one."""
    draw, h = stage.draw, stage.picture.height
    rows = 1 + int(draw.beta(1.1, 1.9) * 7)
    each = h / rows * draw.uniform(0.85, 1.3)
    y = -each * draw.uniform(0, 0.9) if draw.random() < 0.6 else h * 0.02
    style = fixtures.Style.any(draw)
    density = draw.choice((0.55, 0.85, 1.0), p=(0.15, 0.35, 0.5))
    while y < h:
        high = each * draw.uniform(0.75, 1.25)
        board = y + high
        rail = fixtures.board(stage.picture, y, board, style, draw)
        _row(stage, packs, y, board, density)
        fixtures.tickets(stage.picture, rail, style, draw)
        y = board + rail[1] - rail[0]


def _row(stage: _Stage, packs: Sequence[Image.Image], top: float, board: float, density: float) -> None:
    """Facings from left to right: a product a few times over, then the next, some of them not there."""
    draw, w = stage.draw, stage.picture.width
    room = (board - top) * draw.uniform(0.8, 0.99)
    x = -room * draw.uniform(0, 0.7)
    tight = draw.uniform(-0.03, 0.1)
    while x < w:
        front = packs[int(draw.integers(len(packs)))]
        high = room * (draw.uniform(0.85, 1.0) if draw.random() < 0.6 else draw.uniform(0.35, 0.9))
        pack = _scaled(front, high, draw, widest=w * 0.6)
        for _ in range(1 + int(draw.geometric(0.42))):
            if draw.random() < density:
                _column(stage, pack, x, top, board)
            x += pack.width * (1 + max(draw.normal(tight, 0.03), -0.06))
            if x > w:
                break
        if draw.random() < 0.15:
            x += room * draw.uniform(0.1, 0.7)


def _column(stage: _Stage, pack: Image.Image, x: float, top: float, board: float) -> None:
    """One facing and what stands behind and upon it; hanging where it is a bag on a peg."""
    draw = stage.draw
    feet = board + draw.normal(0, 0.004) * (board - top)
    slack = (board - top) - pack.height
    turned = _turned(pack, draw)
    if draw.random() < 0.35:
        behind = _dimmed(_resized(turned, 0.94), 0.62)
        stage.put(behind, x + pack.width * draw.normal(0.03, 0.05), feet - pack.height * 0.05, facing=False)
    fixtures.shadow(stage.picture, (x, feet - turned.height, x + turned.width, feet), draw)
    if slack > pack.height * 0.4 and draw.random() < 0.1:
        feet -= slack * draw.uniform(0.3, 0.9)
        fixtures.peg(stage.picture, x + pack.width / 2, feet - pack.height)
    stage.put(turned, x, feet)
    on_top = feet - pack.height * 1.01
    while on_top - pack.height > top and pack.height < _STACKED * pack.width and draw.random() < 0.8:
        stage.put(_turned(pack, draw), x + draw.normal(0, 0.02) * pack.width, on_top)
        on_top -= pack.height * 1.01


def _lying_about(stage: _Stage, packs: Sequence[Image.Image]) -> None:
    """A few packs on a table or in a basket, turned any way, the later ones before the earlier."""
    draw, (w, h) = stage.draw, stage.picture.size
    for _ in range(int(draw.integers(1, 7))):
        front = packs[int(draw.integers(len(packs)))]
        pack = _scaled(front, h * draw.uniform(0.25, 0.85), draw, widest=w * 0.7)
        pack = pack.rotate(draw.normal(0, 35), Image.Resampling.BILINEAR, expand=True)
        pack = pack.crop(pack.getbbox())
        x, feet = draw.uniform(-0.2, 0.8) * w, draw.uniform(0.35, 1.1) * h
        fixtures.shadow(stage.picture, (x, feet - pack.height, x + pack.width, feet), draw)
        stage.put(pack, x, feet)


def _covered(stage: _Stage) -> Image.Image:
    """Draws what stands before the shelf; where, as a mask."""
    draw, size = stage.draw, stage.picture.size
    cover = Image.new("L", size, 0)
    if draw.random() < 0.12:
        person = draw_shopper(some_shopper(draw), size)
        stage.picture.paste(person, (0, 0), person)
        cover.paste(255, (0, 0), person.getchannel("A"))
    if draw.random() < 0.3:
        cover = fixtures.in_the_way(stage.picture, cover, draw)
    if draw.random() < 0.2:
        fixtures.glare(stage.picture, draw)
    return cover


def _scaled(front: Image.Image, high: float, draw: np.random.Generator, widest: float) -> Image.Image:
    """The front at that height, a little slimmer or wider than it is, no wider than `widest`."""
    high = max(high, 8.0)
    wide = high * front.width / front.height * draw.uniform(0.88, 1.12)
    if wide > widest:
        high, wide = high * widest / wide, widest
    how = Image.Resampling.BOX if high < front.height / 2 else Image.Resampling.BILINEAR
    return front.resize((max(4, round(wide)), max(6, round(high))), how)


def _resized(pack: Image.Image, by: float) -> Image.Image:
    return pack.resize((max(2, round(pack.width * by)), max(2, round(pack.height * by))), Image.Resampling.BILINEAR)


def _turned(pack: Image.Image, draw: np.random.Generator) -> Image.Image:
    """As somebody put it: mostly straight, mostly of the same brightness as its neighbour."""
    if draw.random() < 0.3:
        pack = _dimmed(pack, draw.uniform(0.8, 1.1))
    if draw.random() < 0.25:
        pack = pack.rotate(draw.normal(0, 1.6), Image.Resampling.BILINEAR, expand=True)
    return pack


def _dimmed(pack: Image.Image, by: float) -> Image.Image:
    bands = [band.point(lambda v: min(255, int(v * by))) for band in pack.split()[:3]]
    return Image.merge("RGBA", [*bands, pack.getchannel("A")])


def _slanted(draw: np.random.Generator) -> Corners:
    """Outward offsets of the corners: hung straight, or held by a clerk who stands to one side."""
    if draw.random() < 0.4:
        lean = draw.uniform(0, 0.02, (4, 2))
    else:
        lean = draw.uniform(0, 0.05, (4, 2))
        lean[[0, 3] if draw.random() < 0.5 else [1, 2], 1] += draw.uniform(0, 0.22)
    a, b, c, d = (tuple(map(float, row)) for row in lean * [(-1, -1), (1, -1), (1, 1), (-1, 1)])
    return (a[0], a[1]), (b[0], b[1]), (c[0], c[1]), (d[0], d[1])


def _light(draw: np.random.Generator) -> Light:
    return some_light(draw) if draw.random() < 0.7 else Light(brightness=float(draw.uniform(0.25, 0.6)))


def _blur(draw: np.random.Generator) -> float:
    return float(draw.choice((0.0, draw.uniform(0, 1), draw.uniform(1, 2.5)), p=(0.4, 0.45, 0.15)))
