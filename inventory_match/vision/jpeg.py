"""Pixels to a JPEG: how a product cut out of a photo is kept."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image as Pillow

if TYPE_CHECKING:
    from inventory_match.ports import Image


def encode_jpeg(image: Image, quality: int = 95) -> bytes:
    """RGB uint8 (h, w, 3) to bytes; the same pixels always give the same bytes."""
    kept = BytesIO()
    Pillow.fromarray(image).save(kept, "JPEG", quality=quality, subsampling=0)
    return kept.getvalue()
