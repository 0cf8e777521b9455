"""What a scene's packs stand in and behind: walls, boards with rails and tickets, pegs, shadows, glass, things in the way.

All of it is drawn from the generator it is given, and none of it is a product: a detector learns here what not to find.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from inventory_match.rendering.artwork import font
from inventory_match.rendering.motifs import shade
from inventory_match.rendering.studio import some_paint

if TYPE_CHECKING:
    from inventory_match.rendering.designs import RGB

Band = tuple[float, float]
"""Top and bottom, px."""


@dataclass(frozen=True, slots=True)
class Style:
    """How all boards of one scene look: `rail` is the height of their front in rows, `ticket` how many there are a row
    height of width."""

    board: RGB
    front: RGB
    rail: float
    ticket: float
    paper: RGB
    wire: bool

    @classmethod
    def any(cls, draw: np.random.Generator) -> Style:
        loud = tuple(int(v) for v in draw.integers(0, 256, 3))
        front = loud if draw.random() < 0.35 else some_paint(draw, 60, 245)
        paper = (252, 250, 240) if draw.random() < 0.6 else tuple(int(v) for v in draw.integers(150, 256, 3))
        rail = 0.0 if draw.random() < 0.1 else float(draw.uniform(0.04, 0.2))
        return cls(some_paint(draw, 90, 245), front, rail, float(draw.uniform(0, 2.2)), paper, draw.random() < 0.12)  # type: ignore[arg-type]


def wall(size: tuple[int, int], draw: np.random.Generator) -> Image.Image:
    """The back panel: smooth, dark, perforated, or anything at all (a table, a trolley, a far end of the shop)."""
    w, h = size
    kind = draw.choice(("plain", "dark", "holes", "clutter"), p=(0.4, 0.2, 0.15, 0.25))
    base = np.array(some_paint(draw, 12, 60) if kind == "dark" else some_paint(draw, 90, 240), np.float32)
    slope = np.linspace(draw.uniform(0.75, 1.1), draw.uniform(0.75, 1.1), h, dtype=np.float32)[:, None, None]
    picture = Image.fromarray(np.clip(np.broadcast_to(base, (h, w, 3)) * slope, 0, 255).astype(np.uint8))
    if kind == "holes":
        _holes(picture, draw)
    if kind == "clutter":
        _clutter(picture, draw)
    return picture


def _holes(picture: Image.Image, draw: np.random.Generator) -> None:
    canvas, step = ImageDraw.Draw(picture), int(draw.integers(12, 34))
    for y in range(0, picture.height, step):
        for x in range(0, picture.width, step):
            canvas.ellipse((x, y, x + step // 4, y + step // 4), fill=(50, 50, 52))


def _clutter(picture: Image.Image, draw: np.random.Generator) -> None:
    """Coloured noise of several sizes, and a few straight edges, out of focus."""
    w, h = picture.size
    for cell in (3, 8, 24):
        noise = draw.integers(0, 256, (cell, cell * w // h + 1, 3)).astype(np.uint8)
        spots = Image.fromarray(noise).resize((w, h), Image.Resampling.BICUBIC)
        picture.paste(Image.blend(picture, spots, 0.28), (0, 0))
    canvas = ImageDraw.Draw(picture)
    for _ in range(int(draw.integers(2, 9))):
        ends = [(float(x * w), float(y * h)) for x, y in draw.uniform(-0.2, 1.2, (2, 2))]
        canvas.line(ends, fill=some_paint(draw, 20, 240), width=int(draw.integers(2, 40)))
    picture.paste(picture.filter(ImageFilter.GaussianBlur(float(draw.uniform(0.5, 4)))), (0, 0))


def board(picture: Image.Image, top: float, at: float, style: Style, draw: np.random.Generator) -> Band:
    """One shelf: the dimmer air under the board above, its top and its front at `at`; the band of its front."""
    w, high = picture.width, at - top
    canvas = ImageDraw.Draw(picture)
    if draw.random() < 0.8:  # the board above keeps the lamp off
        reach = max(int(high * 0.3), 1)
        y0 = int(top)
        strip = picture.crop((0, y0, w, y0 + reach))
        fade = Image.linear_gradient("L").resize((w, reach)).point(lambda v: int((255 - v) * 0.45))
        picture.paste((20, 20, 22), (0, y0), fade) if strip.height else None
    deep = high * draw.uniform(0.0, 0.07)
    canvas.rectangle((0, at - deep, w, at), fill=style.board)
    foot = at + high * style.rail
    if style.wire:
        for x in range(0, w, 9):
            canvas.line((x, at, x, foot), fill=(150, 150, 154), width=2)
    else:
        canvas.rectangle((0, at, w, foot), fill=style.front)
        canvas.rectangle((0, at, w, at + max(1, high * 0.008)), fill=shade(style.front, 0.4))
        canvas.rectangle((0, foot - max(1, high * 0.012), w, foot), fill=shade(style.front, -0.4))
    return at, foot


def tickets(picture: Image.Image, rail: Band, style: Style, draw: np.random.Generator) -> None:
    """Price tickets on a rail, and now and then a promotion that hangs down before the packs below or stands up."""
    top, bottom = rail
    high = bottom - top
    if high < 4:
        return
    canvas, x = ImageDraw.Draw(picture), draw.uniform(0, 60)
    while style.ticket and x < picture.width:
        wide = high * draw.uniform(1.1, 2.4)
        promoted = draw.random() < 0.08
        box = (x, top + high * 0.12, x + wide, bottom - high * 0.1 + (high * draw.uniform(0.3, 1.0) if promoted else 0))
        colour = tuple(int(v) for v in draw.integers(120, 256, 3)) if promoted else style.paper
        canvas.rectangle(box, fill=colour, outline=(120, 120, 122))
        price = f"{draw.uniform(0.3, 20):.2f}"
        canvas.text(
            (x + wide * 0.08, top + high * 0.18), price, font=font(max(6, round(high * 0.5))), fill=(20, 20, 24)
        )
        for stroke in range(3):
            y = top + high * (0.68 + 0.07 * stroke)
            canvas.line((x + wide * 0.08, y, x + wide * draw.uniform(0.4, 0.9), y), fill=(110, 110, 114))
        x += wide + high * draw.exponential(3 / style.ticket)


def peg(picture: Image.Image, x: float, y: float) -> None:
    """The hook a bag hangs from."""
    canvas = ImageDraw.Draw(picture)
    canvas.line((x, y - 8, x, y + 3), fill=(90, 90, 94), width=2)
    canvas.ellipse((x - 3, y - 11, x + 3, y - 5), fill=(190, 190, 194))


def shadow(picture: Image.Image, pack: tuple[float, float, float, float], draw: np.random.Generator) -> None:
    """The dark a pack throws on what is behind it: to one side, and where it stands."""
    x0, y0, x1, y1 = pack
    reach = max(2, (x1 - x0) * 0.08)
    box = [round(v) for v in (x0 - reach / 3, y0 + reach / 2, x1 + reach, y1 + 2)]
    if box[2] <= box[0] or box[3] <= box[1]:
        return
    mask = Image.new("L", (box[2] - box[0], box[3] - box[1]), int(draw.integers(50, 150)))
    picture.paste((16, 15, 18), (box[0], box[1]), mask.filter(ImageFilter.BoxBlur(2)))


def glare(picture: Image.Image, draw: np.random.Generator) -> None:
    """A glass door: slanted streaks of light, and the milky veil of it."""
    w, h = picture.size
    veil = Image.new("L", (w // 4 + 1, h // 4 + 1), int(draw.integers(0, 40)))
    canvas = ImageDraw.Draw(veil)
    for _ in range(int(draw.integers(1, 4))):
        x, wide, lean = draw.uniform(0, w / 4), draw.uniform(0.02, 0.16) * w / 4, draw.uniform(-0.3, 0.3) * w / 4
        light = int(draw.integers(50, 170))
        canvas.polygon([(x, 0), (x + wide, 0), (x + wide + lean, h / 4), (x + lean, h / 4)], fill=light)
    veil = veil.filter(ImageFilter.GaussianBlur(float(draw.uniform(1, 8)))).resize((w, h), Image.Resampling.BILINEAR)
    picture.paste((245, 248, 252), (0, 0), veil)


def in_the_way(picture: Image.Image, cover: Image.Image, draw: np.random.Generator) -> Image.Image:
    """Posts, trolleys, boxes on the floor before the shelf; returns the mask of all that covers."""
    w, h = picture.size
    for _ in range(int(draw.integers(1, 4))):
        mask = Image.new("L", (w, h), 0)
        canvas = ImageDraw.Draw(mask)
        if draw.random() < 0.4:  # a post, a door frame
            x, wide = draw.uniform(0, w), draw.uniform(0.01, 0.06) * w
            canvas.rectangle((x, 0, x + wide, h), fill=255)
        else:
            middle, spread = draw.uniform(0, 1, 2) * [w, h], draw.uniform(0.03, 0.14) * w
            corners = middle + draw.normal(0, spread, (6, 2))
            canvas.polygon([(float(x), float(y)) for x, y in corners], fill=255)
        picture.paste(some_paint(draw, 20, 240), (0, 0), mask)
        cover.paste(255, (0, 0), mask)
    return cover
