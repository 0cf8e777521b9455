"""The photos of the day as JPEG bytes."""

from __future__ import annotations

from inventory_match.demo.day import Day, Shot
from inventory_match.rendering.camera import jpeg
from inventory_match.rendering.shelf import ShelfPhoto, shelf_photo


def photograph(day: Day, shot: Shot) -> ShelfPhoto:
    """Render a shot, 1280 x 960, with what stands in it and how much of each slot can be seen."""
    eye = day.camera(shot.camera)
    return shelf_photo(eye.layout, shot.contents, shot.seed, camera=eye.lens, light=shot.light, occluder=shot.occluder)


def photo_bytes(day: Day, shot: Shot) -> bytes:
    """The file the camera uploads; a broken one ends in the middle of the picture."""
    data = jpeg(photograph(day, shot).image, day.camera(shot.camera).lens.jpeg)
    return data[: len(data) // 3] if shot.broken else data
