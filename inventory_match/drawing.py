"""A photo with what was seen in it drawn on top: where people would rather look than read.

Boxes are coloured by decision; each says the product's name and the similarity that decided. A dense shelf is enlarged until
its facings have room for words. Used by the demo, `evaluate shelf` and `inventory-match photos draw`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from statistics import fmean, median
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFont, ImageOps

from inventory_match.domain.photos import Box
from inventory_match.labelling import Rect, fitted, place

Colour: TypeAlias = tuple[int, int, int]
Font: TypeAlias = ImageFont.ImageFont | ImageFont.FreeTypeFont

COLOURS: dict[str, Colour] = {
    "product": (46, 160, 67),
    "unknown": (219, 109, 0),
    "ambiguous": (191, 57, 178),
    "void": (207, 34, 46),
    "not_assessable": (110, 118, 129),
}
LEGEND = {
    "product": "product",
    "unknown": "unknown, with the best guess",
    "ambiguous": "ambiguous",
    "void": "empty place",
    "not_assessable": "not assessable",
}
GROUND, WORDS = (22, 27, 34), (230, 237, 243)
ROOMY, LARGEST = 104, 4096
"""Width of a facing, px, in which words can be read; longer side of a picture beyond which none is enlarged."""
LINES = 3


@dataclass(frozen=True, slots=True)
class Mark:
    """One box to draw. `decision` is a key of `COLOURS`; `name`: of the product seen there, of the best guess where it is
    unknown, of the product last confirmed there where the place is empty; `row`: of the shelf, from the top, where known."""

    box: Box
    decision: str
    name: str | None = None
    similarity: float | None = None
    row: int | None = None

    @property
    def text(self) -> str:
        """The words in the box."""
        match self.decision:
            case "product":
                words = self.name or "product"
            case "void":
                words = f"gap: {self.name}" if self.name else "empty"
            case "not_assessable":
                words = "hidden"
            case _:
                words = f"{self.name}?" if self.name else self.decision
        return f"{words} {self.similarity:.2f}" if self.similarity is not None else words


def annotate(photo: bytes, marks: Sequence[Mark], title: str = "") -> Image.Image:
    """The photo, upright and in RGB, with every mark on it; title and legend stand above it where there is a title."""
    with Image.open(BytesIO(photo)) as opened:
        picture = ImageOps.exif_transpose(opened).convert("RGB")
    picture = _enlarged(picture, marks)
    boxes = [mark.box.pixels(*picture.size) for mark in marks]
    canvas = ImageDraw.Draw(picture, "RGBA")
    font = ImageFont.load_default(size=_font_size(boxes, picture.width))
    unit = max(picture.width // 640, 1)
    for mark, box in zip(marks, boxes, strict=True):
        _outline(canvas, mark, box, unit)
    _label(canvas, marks, boxes, font, unit)
    if any(mark.row is not None for mark in marks):
        picture = _numbered(picture, marks, boxes, font)
    return _titled(picture, title, marks) if title else picture


def _enlarged(picture: Image.Image, marks: Sequence[Mark]) -> Image.Image:
    """Large enough that facings of common width can be read, and never smaller than it is."""
    if not marks:
        return picture
    wide = median(mark.box.x1 - mark.box.x0 for mark in marks) * picture.width
    scale = min(ROOMY / wide, LARGEST / max(picture.size))
    if scale <= 1:
        return picture
    return picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)


def _font_size(boxes: Sequence[Rect], width: int) -> float:
    common = median(right - left for left, _, right, _ in boxes) if boxes else width / 8
    return min(max(common / 9, 9), max(width / 90, 9))


def _outline(canvas: ImageDraw.ImageDraw, mark: Mark, box: Rect, unit: int) -> None:
    left, top, right, bottom = box
    colour = COLOURS[mark.decision]
    tint = 0 if mark.decision == "product" else 56
    canvas.rectangle((left, top, right - 1, bottom - 1), fill=(*colour, tint), outline=(*colour, 255), width=unit)


def _label(canvas: ImageDraw.ImageDraw, marks: Sequence[Mark], boxes: Sequence[Rect], font: Font, unit: int) -> None:
    """The words of every box, none over another's."""
    texts = [
        "\n".join(_words(mark, right - left - 2 * unit, font))
        for mark, (left, _, right, _) in zip(marks, boxes, strict=True)
    ]
    sizes = []
    for text in texts:
        _, _, width, height = canvas.multiline_textbbox((0, 0), text, font=font)
        sizes.append((round(width) + 2 * unit + 1, round(height) + 2 * unit + 1))
    for mark, text, found in zip(marks, texts, place(boxes, sizes), strict=True):
        if found is not None:
            left, top, right, bottom = found
            canvas.rectangle((left, top, right - 1, bottom - 1), fill=(*COLOURS[mark.decision], 225))
            canvas.multiline_text((left + unit, top + unit), text, font=font, fill=(255, 255, 255, 255))


def _words(mark: Mark, width: float, font: Font) -> list[str]:
    """The name, broken to the width of the box, and its similarity, which is never cut off for it."""
    name, _, figure = mark.text.rpartition(" ") if mark.similarity is not None else (mark.text, "", "")
    lines = fitted(name, width, LINES - bool(figure), font.getlength)
    if figure and font.getlength(f"{lines[-1]} {figure}") <= width:
        return [*lines[:-1], f"{lines[-1]} {figure}"]
    return [*lines, figure] if figure else lines


def _numbered(picture: Image.Image, marks: Sequence[Mark], boxes: Sequence[Rect], font: Font) -> Image.Image:
    """The numbers of the shelf's rows in a margin at the left."""
    margin = round(font.getlength("row 88 "))
    made = Image.new("RGB", (picture.width + margin, picture.height), GROUND)
    made.paste(picture, (margin, 0))
    canvas = ImageDraw.Draw(made)
    for row in sorted({mark.row for mark in marks if mark.row is not None}):
        own = [box for mark, box in zip(marks, boxes, strict=True) if mark.row == row]
        middle = fmean((top + bottom) / 2 for _, top, _, bottom in own)
        canvas.text((margin / 2, middle), f"row {row}", font=font, fill=WORDS, anchor="mm")
    return made


def _titled(picture: Image.Image, title: str, marks: Sequence[Mark]) -> Image.Image:
    """A title, and below it what the colours mean and how often each is there."""
    bar = max(picture.width // 40, 18)
    font, small = (ImageFont.load_default(size=bar * share) for share in (0.6, 0.5))
    legend = _legend_lines(marks, picture.width - bar, small)
    made = Image.new("RGB", (picture.width, picture.height + bar * (1 + len(legend))), GROUND)
    made.paste(picture, (0, made.height - picture.height))
    canvas = ImageDraw.Draw(made)
    [shown] = fitted(title, picture.width - bar, 1, font.getlength)
    canvas.text((bar * 0.4, bar * 0.5), shown, font=font, fill=WORDS, anchor="lm")
    for number, line in enumerate(legend, start=1):
        left, middle = bar * 0.4, bar * (number + 0.42)
        for decision, words in line:
            canvas.rectangle((left, middle - bar * 0.25, left + bar * 0.5, middle + bar * 0.25), fill=COLOURS[decision])
            canvas.text((left + bar * 0.75, middle), words, font=small, fill=WORDS, anchor="lm")
            left += bar * 1.5 + small.getlength(words)
    return made


def _legend_lines(marks: Sequence[Mark], width: float, font: Font) -> list[list[tuple[str, str]]]:
    """(decision, its words) of those that are there, as many in a line as fit."""
    lines: list[list[tuple[str, str]]] = []
    room = 0.0
    for decision, words in _legend(marks):
        wide = font.getlength(words) + 3 * font.getlength("m")
        if wide > room or not lines:
            lines.append([])
            room = width
        lines[-1].append((decision, words))
        room -= wide
    return lines


def _legend(marks: Sequence[Mark]) -> Iterator[tuple[str, str]]:
    there = Counter(mark.decision for mark in marks)
    return ((decision, f"{words}: {there[decision]}") for decision, words in LEGEND.items() if there[decision])
