"""Pictures side by side with words under them: how sightings and their references are shown to people.

Rows of tiles of one size on a dark ground, each picture fitted whole into its place. Used by `review` and `explain`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from PIL import Image, ImageDraw, ImageFont

from inventory_match.domain.errors import PhotoSuperseded
from inventory_match.vision.images import crop as cut

if TYPE_CHECKING:
    from inventory_match.db.sightings import Kept
    from inventory_match.domain.photos import ObjectRef
    from inventory_match.ports import Image as Pixels

    Look: TypeAlias = Callable[[ObjectRef], Pixels]
    """An object of the bucket as pixels, upright, RGB (h, w, 3). Raises PhotoSuperseded where it is gone."""

Colour: TypeAlias = tuple[int, int, int]
Font: TypeAlias = ImageFont.ImageFont | ImageFont.FreeTypeFont

GROUND: Colour = (22, 27, 34)
PLACE: Colour = (33, 38, 45)
WORDS: Colour = (230, 237, 243)
QUIET: Colour = (139, 148, 158)
ASKED: Colour = (219, 109, 0)
AGREED: Colour = (46, 160, 67)
SIDE, GAP, EDGE = 224, 20, 28
"""Side of a tile, between two, and around all, px."""
TITLE, TEXT = 24, 15
"""Font sizes, px."""
_LINE = round(TEXT * 1.35)


@dataclass(frozen=True, slots=True)
class Tile:
    """A picture (None: it is gone), a caption under it and a quieter note under that; `frame` sets it apart."""

    picture: Image.Image | None
    caption: str
    note: str = ""
    frame: Colour | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Tiles from left to right under a line of text."""

    tiles: Sequence[Tile]
    title: str = ""


def picture(look: Look, ref: ObjectRef) -> Image.Image | None:
    """A picture of the bucket; None where it is gone."""
    try:
        return Image.fromarray(look(ref))
    except PhotoSuperseded:
        return None


def crop(look: Look, kept: Kept) -> Pixels:
    """The pixels a sighting shows, RGB (h, w, 3). Raises PhotoSuperseded where its photo is gone."""
    return cut(look(kept.photo), kept.box)


def crop_or_none(look: Look, kept: Kept) -> Image.Image | None:
    """What a sighting shows, as a picture; None where its photo is gone."""
    try:
        return Image.fromarray(crop(look, kept))
    except PhotoSuperseded:
        return None


def sheet(rows: Sequence[Row], title: str, lines: Sequence[str] = ()) -> Image.Image:
    """All rows below a title, and `lines` of text below them."""
    widest = max((len(row.tiles) for row in rows), default=1)
    font = ImageFont.load_default(size=TEXT)
    width = 2 * EDGE + max(widest, 4) * (SIDE + GAP) - GAP
    below = [part for line in lines for part in _broken(line, width - 2 * EDGE, font)]
    row_height = 2 * _LINE + SIDE + 3 * _LINE
    height = EDGE + 2 * TITLE + len(rows) * row_height + len(below) * _LINE + EDGE
    made = Image.new("RGB", (width, height), GROUND)
    canvas = ImageDraw.Draw(made)
    canvas.text((EDGE, EDGE), title, font=ImageFont.load_default(size=TITLE), fill=WORDS)
    top = EDGE + 2 * TITLE
    for row in rows:
        canvas.text((EDGE, top), _cut_off(row.title, width - 2 * EDGE, font), font=font, fill=QUIET)
        for i, tile in enumerate(row.tiles):
            _place(made, canvas, tile, (EDGE + i * (SIDE + GAP), top + round(1.5 * _LINE)), font)
        top += row_height
    for line in below:
        canvas.text((EDGE, top), line, font=font, fill=WORDS)
        top += _LINE
    return made


def _place(made: Image.Image, canvas: ImageDraw.ImageDraw, tile: Tile, corner: tuple[int, int], font: Font) -> None:
    left, top = corner
    canvas.rectangle((left, top, left + SIDE - 1, top + SIDE - 1), fill=PLACE)
    if tile.picture is None:
        canvas.text((left + SIDE // 2, top + SIDE // 2), "gone", font=font, fill=QUIET, anchor="mm")
    else:
        scale = SIDE / max(tile.picture.size)
        size = (max(1, round(tile.picture.width * scale)), max(1, round(tile.picture.height * scale)))
        fitted = tile.picture.resize(size, Image.Resampling.LANCZOS)
        made.paste(fitted, (left + (SIDE - fitted.width) // 2, top + (SIDE - fitted.height) // 2))
    if tile.frame is not None:
        canvas.rectangle((left - 3, top - 3, left + SIDE + 2, top + SIDE + 2), outline=tile.frame, width=3)
    below = top + SIDE + 8
    canvas.text((left, below), _cut_off(tile.caption, SIDE, font), font=font, fill=WORDS)
    canvas.text((left, below + _LINE), _cut_off(tile.note, SIDE, font), font=font, fill=QUIET)


def _cut_off(line: str, width: int, font: Font) -> str:
    """The line as far as there is room for it."""
    if font.getlength(line) <= width:
        return line
    while line and font.getlength(f"{line}…") > width:
        line = line[:-1]
    return f"{line.rstrip()}…"


def _broken(line: str, width: int, font: Font) -> list[str]:
    """The line broken between words."""
    lines = [""]
    for word in line.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
