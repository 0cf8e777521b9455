"""A photo with what was seen in it drawn on top: where people would rather look than read.

Boxes are coloured by answer; each says the product's name and the similarity that decided. Used by the demo and by
`inventory-match photos draw`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont, ImageOps
from sqlalchemy import text
from sqlalchemy.orm import Session

from inventory_match.domain.counting import Answer
from inventory_match.domain.errors import NotFound
from inventory_match.domain.photos import Box, ObjectRef
from inventory_match.ports import PhotoStore

COLOURS = {
    Answer.PRODUCT: (46, 160, 67),
    Answer.UNKNOWN: (219, 109, 0),
    Answer.VOID: (207, 34, 46),
    Answer.NOT_ASSESSABLE: (110, 118, 129),
}
WORDS = {Answer.UNKNOWN: "unknown", Answer.VOID: "empty", Answer.NOT_ASSESSABLE: "hidden"}


_PHOTO = text("select bucket, key, version_id, etag from inventory_match.photo where id = :photo")
_SEEN = text(
    "select s.x0, s.y0, s.x1, s.y1, s.answer, s.similarity, p.name from inventory_match.sighting s"
    " left join inventory_match.product p using (sku) where s.photo_id = :photo order by s.position"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """One box to draw: its answer, the name of the product where it is one, and the best similarity where there is any."""

    box: Box
    answer: Answer
    name: str | None = None
    similarity: float | None = None

    @property
    def text(self) -> str:
        word = self.name if self.answer is Answer.PRODUCT and self.name else WORDS.get(self.answer, self.answer)
        return f"{word} {self.similarity:.2f}" if self.similarity is not None else word


def annotated_photo(session: Session, store: PhotoStore, photo_id: int, title: str = "") -> Image.Image:
    """A photo fetched from the bucket, with its sightings drawn on it.

    Raises NotFound for an unknown id, PhotoSuperseded where the object is gone (replaced, or expired).
    """
    photo = session.execute(_PHOTO, {"photo": photo_id}).one_or_none()
    if photo is None:
        raise NotFound(f"photo {photo_id} does not exist; `inventory-match photos list` shows them")
    marks = [
        Mark(Box(seen.x0, seen.y0, seen.x1, seen.y1), Answer(seen.answer), seen.name, seen.similarity)
        for seen in session.execute(_SEEN, {"photo": photo_id})
    ]
    return annotate(store.fetch(ObjectRef(photo.bucket, photo.key, photo.version_id, photo.etag)), marks, title)


def annotate(photo: bytes, marks: Sequence[Mark], title: str = "") -> Image.Image:
    """The photo, upright and in RGB, with every mark on it and a title bar above it where there is a title."""
    with Image.open(BytesIO(photo)) as opened:
        picture = ImageOps.exif_transpose(opened).convert("RGB")
    unit = max(picture.width // 480, 1)
    font = ImageFont.load_default(size=max(picture.width / 105, 9))
    canvas = ImageDraw.Draw(picture, "RGBA")
    for mark in marks:
        _draw(canvas, mark, picture.size, unit, font)
    return _titled(picture, title) if title else picture


def _draw(
    canvas: ImageDraw.ImageDraw,
    mark: Mark,
    size: tuple[int, int],
    unit: int,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> None:
    left, top, right, bottom = mark.box.pixels(*size)
    colour = COLOURS[mark.answer]
    tint = 0 if mark.answer is Answer.PRODUCT else 56
    canvas.rectangle((left, top, right - 1, bottom - 1), fill=(*colour, tint), outline=(*colour, 255), width=unit)
    text = _fitting(canvas, mark.text, right - left - 2 * unit, font)
    _, _, width, height = canvas.textbbox((0, 0), text, font=font)
    canvas.rectangle((left, top, left + width + 2 * unit, top + height + 2 * unit), fill=(*colour, 230))
    canvas.text((left + unit, top + unit), text, font=font, fill=(255, 255, 255, 255))


def _fitting(
    canvas: ImageDraw.ImageDraw, text: str, width: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont
) -> str:
    """The words broken into as many lines as the box is too narrow for."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and canvas.textlength(longer, font=font) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return "\n".join(lines)


def _titled(picture: Image.Image, title: str) -> Image.Image:
    bar = max(picture.width // 32, 20)
    made = Image.new("RGB", (picture.width, picture.height + bar), (22, 27, 34))
    made.paste(picture, (0, bar))
    font = ImageFont.load_default(size=bar * 0.55)
    ImageDraw.Draw(made).text((bar * 0.4, bar * 0.2), title, font=font, fill=(230, 237, 243))
    return made
