"""Bytes to pixels, safely: anybody who can write to the bucket decides what arrives here.

Nothing is decoded before its kind (by content, not by name), its size in bytes and its size in pixels are known to be
acceptable. What comes out is always upright RGB with its quality figures, or PhotoRejected with a cause a person can
act on. Transparent pictures are laid on white, as packshots mean it; of animated ones the first frame counts. What a parser
may still do (hang, crash, take all memory) happens in another process: see `isolation`.
"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as Pillow
from PIL import ImageStat, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from inventory_match.domain.errors import PhotoRejected
from inventory_match.domain.photos import Box, Quality, QualityLimits
from inventory_match.ports import Decoded, Decoder
from inventory_match.vision import jpeg_bombs
from inventory_match.vision.exif import CameraNotes, camera_notes
from inventory_match.vision.signatures import ACCEPTED, kind_of

if TYPE_CHECKING:
    from inventory_match.ports import Image

SHARPNESS_SIDE = 512
"""Photos are shrunk to this longer side, px, to measure sharpness, which must not depend on the camera's pixels."""

_PARSERS = JpegImagePlugin, PngImagePlugin, WebPImagePlugin
"""Imported now, so that no photo waits for them."""

_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    struct.error,
    zlib.error,
)
"""What Pillow's parsers raise on damaged files; MemoryError is not among them, since another machine may have more."""


def decoder(max_bytes: int = 25 * 2**20, max_pixels: int = 60_000_000, limits: QualityLimits | None = None) -> Decoder:
    """A `ports.Decoder` with these caps; without `limits` no photo is turned away for its quality."""

    def decode(data: bytes) -> Decoded:
        kind = acceptable(data, max_bytes)
        picture, notes = _parsed(data, kind, max_pixels)
        if notes.turn is not None:
            picture = picture.transpose(notes.turn)
        return Decoded(np.asarray(picture), _figures(picture.convert("L")), notes.taken_at)

    return decode if limits is None else judged(decode, limits)


def judged(decode: Decoder, limits: QualityLimits) -> Decoder:
    """`decode`, and PhotoRejected for what is too dark, blank or blurred to judge."""

    def decode_and_judge(data: bytes) -> Decoded:
        decoded = decode(data)
        if complaint := limits.complaint(decoded.quality):
            raise PhotoRejected(complaint)
        return decoded

    return decode_and_judge


def acceptable(data: bytes, max_bytes: int) -> str:
    """JPEG, PNG or WEBP. Raises PhotoRejected for other kinds and for too many bytes; nothing is parsed for it."""
    if len(data) > max_bytes:
        raise PhotoRejected(f"{len(data)} bytes are more than the {max_bytes} accepted")
    kind = kind_of(data)
    if kind not in ACCEPTED:
        raise PhotoRejected(f"{kind} is not accepted; upload JPEG, PNG or WebP")
    return kind


def crop(image: Image, box: Box) -> Image:
    """The pixels inside `box`, as a view, at least one pixel wide and high."""
    height, width = image.shape[:2]
    left, top, right, bottom = box.pixels(width, height)
    return image[top:bottom, left:right]


def luma(image: Image) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Perceived lightness (ITU-R 601), 0..255, shape (h, w)."""
    return np.asarray(Pillow.fromarray(image).convert("L"), np.float32)


def measure(image: Image) -> Quality:
    """The figures documented on `Quality`; a photo under 3 px a side has sharpness 0."""
    return _figures(Pillow.fromarray(image).convert("L"))


def _figures(light: Pillow.Image) -> Quality:
    """Of a grey picture, which is shrunk in place."""
    spread = ImageStat.Stat(light)  # from its histogram: no array of floats, four times as large as the photo
    light.thumbnail((SHARPNESS_SIDE, SHARPNESS_SIDE), Pillow.Resampling.BOX)
    grey = np.asarray(light, np.float32)
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    return Quality(spread.mean[0], spread.stddev[0], float(laplacian.var()) if laplacian.size else 0.0)


def _parsed(data: bytes, kind: str, max_pixels: int) -> tuple[Pillow.Image, CameraNotes]:
    """RGB as the file has it, not turned yet: by then what the parser held is let go, for a WebP 12 bytes a pixel."""
    if kind == "JPEG" and (complaint := jpeg_bombs.complaint(data)):
        raise PhotoRejected(complaint)
    try:
        with Pillow.open(BytesIO(data), formats=[kind]) as opened:  # reads the header only
            width, height = opened.size
            if width * height > max_pixels:
                raise PhotoRejected(f"{width} x {height} px are more than the {max_pixels} px accepted")
            opened.load()
            return _rgb(opened), camera_notes(opened)
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise PhotoRejected(f"more than the {max_pixels} px accepted: {error}") from error
    except _DAMAGE as error:
        raise PhotoRejected(f"damaged {kind}: {error}") from error


def _rgb(image: Pillow.Image) -> Pillow.Image:
    """Any of Pillow's modes to RGB. 16-bit grey keeps its upper 8 bits (Pillow's own conversion would clip it)."""
    if image.mode.startswith("I"):
        return Pillow.fromarray((np.asarray(image).clip(0, 65535) >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        clear = image if image.mode == "RGBA" else image.convert("RGBA")
        return Pillow.alpha_composite(Pillow.new("RGBA", clear.size, "white"), clear).convert("RGB")
    return image.convert("RGB")  # a copy of its own, which lives on when the file is closed
