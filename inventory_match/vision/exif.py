"""What a camera noted in EXIF: which way it was held, and when. Such notes are often broken; that never costs the photo."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import datetime

from PIL import ExifTags, Image

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BROKEN = (OSError, SyntaxError, ValueError, TypeError, LookupError, struct.error, UserWarning)
"""What Pillow raises on broken EXIF; it warns of some kinds only, which ends here too where warnings are errors."""


@dataclass(frozen=True, slots=True)
class CameraNotes:
    """How to turn the pixels to stand upright (None: they do), and when the photo was taken (None: not told)."""

    turn: Image.Transpose | None = None
    taken_at: datetime | None = None


def camera_notes(image: Image.Image) -> CameraNotes:
    """The notes of an opened picture; empty ones where its EXIF is absent or broken."""
    try:
        exif = image.getexif()
        tags = exif.get_ifd(ExifTags.IFD.Exif)
        return CameraNotes(_TURNS.get(exif.get(ExifTags.Base.Orientation, 1)), _taken_at(tags))
    except _BROKEN:
        return CameraNotes()


def _taken_at(tags: dict[int, object]) -> datetime | None:
    """DateTimeOriginal, with a zone only where OffsetTimeOriginal gives one; None when absent or not a date."""
    date = _text(tags.get(ExifTags.Base.DateTimeOriginal))
    offset = _text(tags.get(ExifTags.Base.OffsetTimeOriginal))
    for text, shape in ((f"{date}{offset}", "%Y:%m:%d %H:%M:%S%z"), (date, "%Y:%m:%d %H:%M:%S")):
        try:
            return datetime.strptime(text, shape)  # noqa: DTZ007 - naive where the camera tells no zone
        except ValueError:
            continue
    return None


def _text(value: object) -> str:
    """EXIF text as it should be: some cameras write bytes, some pad with NULs."""
    if isinstance(value, bytes):
        value = value.decode("ascii", errors="replace")
    return value.strip("\0 ") if isinstance(value, str) else ""
