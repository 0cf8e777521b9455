"""The photos of a soak as JPEG bytes: rendered packs side by side, small, so that the machine's time goes into the faults."""

from __future__ import annotations

from collections.abc import Mapping
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


def designs(count: int) -> list[PackDesign]:
    """The products of a soak."""
    return [_design(index) for index in range(count)]


@cache
def _design(index: int) -> PackDesign:
    return product(7, index)


def photo_bytes(shot: Shot, packs: Mapping[str, PackDesign]) -> bytes:
    """What the camera uploads; a broken one ends in the middle of the picture. `packs`: by sku.

    Shots of the same products differ in a comment with their key, as no two photos of a camera are the same bytes.
    """
    pictured = tuple(None if sku is None else packs[sku] for sku in shot.shows) or (_design(0),)
    data = _jpeg(pictured)
    comment = shot.key.encode()
    named = data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:]
    return named[: len(named) // 3] if shot.broken else named


@cache
def _jpeg(pictured: tuple[PackDesign | None, ...]) -> bytes:
    width, height = PLACE
    photo = Image.new("RGB", (width * len(pictured), height), BARE)
    for place, pack in enumerate(pictured):
        if pack is not None:
            photo.paste(studio_view(pack, np.random.default_rng(1), plain=True).resize(PLACE), (place * width, 0))
    out = BytesIO()
    photo.save(out, "JPEG", quality=92)
    return out.getvalue()
