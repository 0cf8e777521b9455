"""Confusions to look at: a row each, the query, what it was taken for, and what it should have been."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont, ImageOps

if TYPE_CHECKING:
    from inventory_match.learning.labelled import Labelled
    from inventory_match.learning.report import Mistake
    from inventory_match.ports import Decoder, Image

CELL = 200
"""Side of a picture, px."""
CAPTION, MARGIN = 34, 8
GROUND, INK = (255, 255, 255), (36, 41, 47)


def sheet_size(rows: int) -> tuple[int, int]:
    """Width and height of a sheet, px."""
    return 3 * (CELL + MARGIN) + MARGIN, rows * (CELL + CAPTION + MARGIN) + MARGIN


def contact_sheet(mistakes: Sequence[Mistake], decode: Decoder) -> Pillow.Image:
    """One row for each of the mistakes. Raises InvalidInput for a photo nobody can read."""
    sheet = Pillow.new("RGB", sheet_size(len(mistakes)), GROUND)
    canvas = ImageDraw.Draw(sheet)
    for row, mistake in enumerate(mistakes):
        confusion = mistake.confusion
        cells = (
            (mistake.query, f"{mistake.query.sku}\n{confusion.count} x taken for another"),
            (mistake.wrong, f"taken for {confusion.taken_for}\n{confusion.matched} x matched"),
            (mistake.right, f"a reference of {confusion.truth}" if confusion.truth else "not in the catalog"),
        )
        for column, (photo, caption) in enumerate(cells):
            left, top = MARGIN + column * (CELL + MARGIN), MARGIN + row * (CELL + CAPTION + MARGIN)
            if photo is not None:
                sheet.paste(_thumbnail(photo, decode), (left, top))
            canvas.text((left, top + CELL + 2), caption, fill=INK, font=ImageFont.load_default(size=12))
    return sheet


def _thumbnail(photo: Labelled, decode: Decoder) -> Pillow.Image:
    pixels: Image = photo.pixels(decode)
    return ImageOps.pad(Pillow.fromarray(pixels), (CELL, CELL), color=GROUND)
