"""Whether an empty-looking place shows the shelf, or somebody's plain coat in front of it.

A coat is as smooth as a wall; what tells them apart lies around the place. An empty place stands on its shelf: below it (or
above, at the photo's edge) a board or rail runs across, which a coat covers as well. Where a shelf shows no edge, an empty
place at least looks like what is seen beside all the places. On rendered shelves empty places have an edge from 0.59 on,
places behind a shopper up to 0.08.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as Pillow

from inventory_match.domain.photos import Box
from inventory_match.vision.images import crop

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inventory_match.ports import Image

_INTO, _OUT, _LEAST = 0.05, 0.2, 0.08
"""How far the strip reaches into the place and out of it, and the least it must reach out, in heights of the place."""
_STRIP, _OVERVIEW = (6, 20), (96, 72)
_MOST_COLUMNS = 0.2
"""An edge that runs across is strong in all columns but this share."""


def shelf_edge(image: Image, box: Box) -> float | None:
    """The step in brightness that runs across just below the place (else above), over the strip's own brightness.

    None where the photo ends too close on both sides to tell. `image`: RGB uint8 (h, w, 3).
    """
    strip = _strip(box)
    if strip is None:
        return None
    small = np.asarray(Pillow.fromarray(crop(image, strip)).resize(_STRIP, Pillow.Resampling.BOX), np.float32)
    steps = np.abs(small[2:] - small[:-2]).max(axis=(0, 2))
    return float(np.quantile(steps, _MOST_COLUMNS)) / max(float(small.mean()), 8.0)


def background(image: Image, boxes: Sequence[Box]) -> NDArray[np.float32] | None:
    """The middle colour, RGB 0..255, of what lies outside all places; None where that is too little to tell."""
    small = np.asarray(Pillow.fromarray(image).resize(_OVERVIEW, Pillow.Resampling.BOX), np.float32)
    outside = np.ones(small.shape[:2], bool)
    for box in boxes:
        left, top, right, bottom = box.pixels(*_OVERVIEW)
        outside[top:bottom, left:right] = False
    return np.median(small[outside], axis=0).astype(np.float32) if outside.mean() > _LEAST else None


def difference(image: Image, colour: NDArray[np.float32]) -> float:
    """How far the mean colour of a crop is from `colour`, the largest of the three channels, over its brightness."""
    mean = image.reshape(-1, 3).mean(axis=0)
    return float(np.abs(mean - colour).max()) / max(float(colour.mean()), 8.0)


def _strip(box: Box) -> Box | None:
    height, width = box.y1 - box.y0, box.x1 - box.x0
    left, right = box.x0 + 0.15 * width, box.x1 - 0.15 * width
    below, above = min(1.0, box.y1 + _OUT * height), max(0.0, box.y0 - _OUT * height)
    if below - box.y1 >= _LEAST * height:
        return Box(left, box.y1 - _INTO * height, right, below)
    if box.y0 - above >= _LEAST * height:
        return Box(left, above, right, box.y0 + _INTO * height)
    return None
