"""Shelves of several rows for cameras that find facings by themselves: drawn, put before the camera, and told to its finder.

A row is a text with one letter a slot: `A`..`D` and `?` as in `conftest.pack`, `a`..`d` the same pack, which the finder misses,
`.` the bare shelf, `#` a flare.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from uuid import uuid4

import numpy as np
from PIL import Image as Pillow

from inventory_match import intake, ports
from inventory_match.domain.photos import Box, ObjectRef, PhotoState, PhotoUploaded

from .conftest import HEIGHT, OPENS, WIDTH, Shop, pack

SLOTS, LEFT, TOP, BOARD, GAP = 6, 40, 30, 14, 4


def slot(row: int, at: float, rows: int, width: float = 1) -> Box:
    """The box of a slot, or of several, counted from 0; `at` may lie between two slots."""
    across, down = _size(rows)
    x, y = LEFT + at * (WIDTH + GAP), TOP + row * (HEIGHT + BOARD + GAP)
    return Box(x / across, y / down, (x + width * WIDTH + (width - 1) * GAP) / across, (y + HEIGHT) / down)


def picture(rows: Sequence[str], shift: int = 0) -> ports.Image:
    """Packs on boards; `shift`: px by which the camera was pushed."""
    across, down = _size(len(rows))
    image = np.full((down, across, 3), 120, np.uint8)
    for row, shown in enumerate(rows):
        y = TOP + row * (HEIGHT + BOARD + GAP)
        image[y + HEIGHT : y + HEIGHT + BOARD] = 40
        for at, name in enumerate(shown):
            x = LEFT + at * (WIDTH + GAP)
            image[y : y + HEIGHT, x : x + WIDTH] = pack(name.upper())
    return np.roll(image, shift, axis=1)


def found(rows: Sequence[str], shift: int = 0) -> list[Box]:
    """What the finder finds of it."""
    moved = shift / _size(len(rows))[0]
    boxes = [
        slot(row, at, len(rows)) for row, shown in enumerate(rows) for at, name in enumerate(shown) if name in "ABCD?"
    ]
    return [Box(box.x0 + moved, box.y0, box.x1 + moved, box.y1) for box in boxes]


def show(
    shop: Shop, *rows: str, minute: float, camera: str = "cam", shift: int = 0, boxes: Sequence[Box] | None = None
) -> PhotoState | None:
    """One photo of these rows to its rest. `boxes`: what is found instead of what stands there."""
    return shop.process(hang(shop, *rows, minute=minute, camera=camera, shift=shift, boxes=boxes), store=shop.drawings)


def hang(
    shop: Shop, *rows: str, minute: float, camera: str = "cam", shift: int = 0, boxes: Sequence[Box] | None = None
) -> int:
    """The id of a photo of these rows, registered and not yet looked at."""
    image = picture(rows, shift)
    shop.finder.tell(image, found(rows, shift) if boxes is None else boxes)
    png = BytesIO()
    Pillow.fromarray(image).save(png, "PNG", compress_level=1)
    key = f"{shop.prefix}/{camera}/{OPENS + timedelta(minutes=minute):%Y%m%dT%H%M%S}-{uuid4().hex}"
    uploaded = PhotoUploaded(ObjectRef(shop.app.settings.bucket, key, None, uuid4().hex), datetime.now(UTC))
    shop.drawings.photos[uploaded.ref] = png.getvalue()
    [photo_id] = intake.scan([uploaded], shop.app.unit_of_work, shop.kicks, lambda _: None).registered
    return photo_id


def now(shop: Shop, location: str = "cam") -> list[str]:
    """`shelf_now` as texts, one a row: a letter a product, `.` void, `?` unknown, `#` not assessable."""
    signs = {"void": ".", "unknown": "?", "not_assessable": "#"}
    rows: dict[int, str] = {}
    for row, sku, answer in shop.rows(
        "select shelf_row, sku, answer from inventory_match.shelf_now where location = :location", location=location
    ):
        rows[row] = rows.get(row, "") + (sku or signs[answer])
    return [rows[row] for row in sorted(rows)]


def _size(rows: int) -> tuple[int, int]:
    return 2 * LEFT + SLOTS * (WIDTH + GAP), 2 * TOP + rows * (HEIGHT + BOARD + GAP)
