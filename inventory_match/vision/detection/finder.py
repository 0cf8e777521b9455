"""A detector file at work: a photo in, boxes of products out.

The photo is looked at whole, at the side the detector was measured at. Where that shows mostly small facings (a whole shelf, or
a large photo of one) it is looked at once more in four overlapping tiles, each as large as the whole was, and both answers
become one: what is cut by the inner edge of a tile is left to its neighbours and to the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as Pillow

from inventory_match.domain.photos import Box
from inventory_match.ports import Found
from inventory_match.vision.detection.looks import looks
from inventory_match.vision.detection.weights import DetectorRecord

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inventory_match.ports import Image
    from inventory_match.vision.detection.looks import Looks

    Floats = NDArray[np.float32]

_SMALL = 56.0
"""Median longer side, px in the picture the network saw, below which the tiles are worth their time."""
_OVERLAP = 0.2
"""Share of a tile that its neighbour shows too."""
_EDGE = 4.0
"""Px: a box that ends this near the inner edge of a tile was cut by it."""
_INSIDE = 0.85
"""To this share within others a box is no facing of its own."""
MOST = 400
"""Facings a photo; the best scores are kept."""


def distinct(boxes: Floats, scores: Floats, same_box: float) -> NDArray[np.intp]:
    """Which boxes (n, 4) to keep, best score first. One gives way to a better one that it overlaps by `same_box` (intersection
    over union) or that lies nearly all inside it, and to better ones that cover nearly all of it: a network also sees the label
    of a bottle, two packs as one, and one made of two halves."""
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    kept: list[int] = []
    for one in np.argsort(-scores, kind="stable"):
        low, high = np.maximum(boxes[one, :2], boxes[kept, :2]), np.minimum(boxes[one, 2:], boxes[kept, 2:])
        shared = np.clip(high - low, 0, None).prod(axis=1)
        same = shared >= same_box * (areas[one] + areas[kept] - shared)
        around = shared >= _INSIDE * areas[kept]
        if not (same | around).any() and shared.sum() < _INSIDE * areas[one]:
            kept.append(int(one))
        if len(kept) == MOST:
            break
    return np.array(kept, np.intp)


@dataclass(frozen=True)
class FileFinder:
    """Satisfies `ports.Finder` with the file `record` was read from, loaded at the first photo. `threads` bounds the cores (0:
    all), `kept` is a folder of this host for graphs. Raises ConfigurationError where the file changed since."""

    record: DetectorRecord
    threads: int = 0
    kept: Path | None = None

    def __call__(self, image: Image) -> list[Found]:
        """Boxes of the photo, RGB uint8 (h, w, 3), best first."""
        boxes, scores = self._look(image, (0, 0))
        longer = np.sort((boxes[:, 2:] - boxes[:, :2]).max(axis=1)) if len(boxes) else np.zeros(0)
        shrunk = self.record.side / max(image.shape[:2])
        if len(longer) and np.median(longer) * min(shrunk, 1.0) < _SMALL and shrunk < 1.0:
            parts = [(boxes, scores), *self._tiles(image)]
            boxes, scores = (np.concatenate(each) for each in zip(*parts, strict=True))
        return self._said(boxes, scores, image.shape[:2])

    def _said(self, boxes: Floats, scores: Floats, shape: tuple[int, ...]) -> list[Found]:
        height, width = shape[0], shape[1]
        whole = ((boxes[:, 2:] - boxes[:, :2]) > 1).all(axis=1)
        boxes, scores = boxes[whole], scores[whole]
        kept = distinct(boxes, scores, self.record.same_box)
        inside = np.clip(boxes[kept] / [width, height, width, height], 0, 1)
        return [Found(Box(*map(float, box)), float(s)) for box, s in zip(inside, scores[kept], strict=True)]

    def _look(self, image: Image, at: tuple[int, int]) -> tuple[Floats, Floats]:
        """Boxes (n, 4) in px of the photo, and scores; `at` is where `image` lies in it."""
        by = self.record.side / max(image.shape[:2])
        size = max(1, round(image.shape[1] * by)), max(1, round(image.shape[0] * by))
        small = np.asarray(Pillow.fromarray(image).resize(size, Pillow.Resampling.BILINEAR, reducing_gap=2.0))
        boxes, scores = self._looks(small)
        enough = scores >= self.record.least_score
        return (boxes[enough] / by + [*at, *at]).astype(np.float32), scores[enough]

    def _tiles(self, image: Image) -> list[tuple[Floats, Floats]]:
        height, width = image.shape[:2]
        high, wide = (round(side * (0.5 + _OVERLAP / 2)) for side in (height, width))
        found = []
        for y in (0, height - high):
            for x in (0, width - wide):
                boxes, scores = self._look(image[y : y + high, x : x + wide], (x, y))
                inner = [x or -np.inf, y or -np.inf, np.inf if x else x + wide, np.inf if y else y + high]
                near = np.abs(boxes - np.array(inner, np.float32)) < _EDGE
                found.append((boxes[~near.any(axis=1)], scores[~near.any(axis=1)]))
        return found

    @cached_property
    def _looks(self) -> Looks:
        return looks(self.record, self.threads, self.kept)
