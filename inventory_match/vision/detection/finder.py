"""A detector file at work: a photo in, boxes of products out.

The photo is looked at whole, at the side the detector was measured at. Where that shows mostly small facings (a whole shelf, or
a large photo of one) it is looked at once more in four overlapping tiles, each as large as the whole was, and both answers
become one: what is cut by the inner edge of a tile is left to its neighbours and to the whole. The compact detector's
convolutions run in ONNX Runtime where it is installed, everything else in torch; both give the same boxes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image as Pillow
from torchvision.ops import nms

from inventory_match.domain.photos import Box
from inventory_match.ports import Found
from inventory_match.vision.detection.network import COMPACT, GRID, Dense, build
from inventory_match.vision.detection.weights import DetectorRecord, read_tensors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inventory_match.ports import Image

    Floats = NDArray[np.float32]
    Looks = Callable[[Image], tuple[Floats, Floats]]

_STRIDES = (8, 16, 32, 64, 128)
_MEAN, _STD = np.array((0.485, 0.456, 0.406), np.float32), np.array((0.229, 0.224, 0.225), np.float32)
_SMALL = 56.0
"""Median longer side, px in the picture the network saw, below which the tiles are worth their time."""
_OVERLAP = 0.2
"""Share of a tile that its neighbour shows too."""
_EDGE = 4.0
"""Px: a box that ends this near the inner edge of a tile was cut by it."""
MOST = 400
"""Facings a photo; the best scores are kept."""


@dataclass(frozen=True)
class FileFinder:
    """Satisfies `ports.Finder` with the file `record` was read from, loaded at the first photo. `threads` bounds the cores (0:
    all). Raises ConfigurationError where the file changed since."""

    record: DetectorRecord
    threads: int = 0

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
        kept = nms(torch.from_numpy(boxes), torch.from_numpy(scores), self.record.same_box)[:MOST].numpy()
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
        detector = build(self.record.arch)
        detector.load_state_dict(read_tensors(self.record))
        detector.eval()
        return _Compact(Dense(detector).eval()) if self.record.arch == COMPACT else _Torchvision(detector)


class _Torchvision:
    """Any of torchvision's detectors: it resizes and suppresses for itself."""

    def __init__(self, detector: torch.nn.Module) -> None:
        self._detector = detector

    @torch.no_grad()
    def __call__(self, picture: Image) -> tuple[Floats, Floats]:
        [out] = self._detector([torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 255])
        return out["boxes"].numpy(), out["scores"].numpy()


class _Compact:
    """The compact detector: its convolutions on a padded picture, then boxes from distances."""

    def __init__(self, dense: Dense) -> None:
        self._dense = dense

    @torch.no_grad()
    def __call__(self, picture: Image) -> tuple[Floats, Floats]:
        """Boxes (n, 4) px and scores of an RGB uint8 picture (h, w, 3)."""
        height, width = picture.shape[:2]
        padded = np.zeros((3, -(-height // GRID) * GRID, -(-width // GRID) * GRID), np.float32)
        padded[:, :height, :width] = ((picture / np.float32(255) - _MEAN) / _STD).transpose(2, 0, 1)
        scores, reach = (out[0].numpy() for out in self._dense(torch.from_numpy(padded[None])))
        centres, strides = _places(padded.shape[1], padded.shape[2])
        reach = reach * strides[:, None]
        boxes = np.concatenate([centres - reach[:, :2], centres + reach[:, 2:]], axis=1)
        return np.clip(boxes, 0, [width, height, width, height]).astype(np.float32), scores


def _places(height: int, width: int) -> tuple[Floats, Floats]:
    """Where the network's places lie in a padded picture, px (n, 2), and their strides (n,), finest map first."""
    centres, strides = [], []
    for stride in _STRIDES:
        y, x = np.mgrid[0 : height // stride, 0 : width // stride].astype(np.float32) * stride
        centres.append(np.stack([x.ravel(), y.ravel()], axis=1))
        strides.append(np.full(x.size, stride, np.float32))
    return np.concatenate(centres), np.concatenate(strides)
