"""The photos of a soak as JPEG bytes: rendered packs side by side, small, so that the machine's time goes into the faults."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image

from inventory_match.rendering.designs import PackDesign, product
from inventory_match.rendering.studio import studio_view
from inventory_match.soak.plan import Shot

PLACE = (240, 360)
"""Width and height, px, of one facing."""
BARE = (150, 146, 140)
PRODUCTS = 10


def designs() -> list[PackDesign]:
    """The products of a soak."""
    return [product(7, index) for index in range(PRODUCTS)]


def photo_bytes(shot: Shot) -> bytes:
    """What the camera uploads; a broken one ends in the middle of the picture. Equal shots differ in a comment with their key,
    because an object's name holds its ETag."""
    data = _jpeg(shot.shows or (designs()[0].sku,))
    comment = shot.key.encode()
    named = data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:]
    return named[: len(named) // 3] if shot.broken else named


@cache
def _jpeg(shows: Sequence[str | None]) -> bytes:
    packs = {design.sku: design for design in designs()}
    width, height = PLACE
    photo = Image.new("RGB", (width * len(shows), height), BARE)
    for place, sku in enumerate(shows):
        if sku is not None:
            pack = studio_view(packs[sku], np.random.default_rng(1), plain=True).resize(PLACE)
            photo.paste(pack, (place * width, 0))
    out = BytesIO()
    photo.save(out, "JPEG", quality=92)
    return out.getvalue()
