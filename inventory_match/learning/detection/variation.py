"""How a photo with boxes is varied each time it is learned from: cut out, moved away, put beside others, mirrored, relit.

Everything follows the generator handed in. What comes out is a float picture (3, h, w), 0..1, and its boxes in px.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

from inventory_match.learning.detection.photos import Boxed, Boxes

_SMALLEST = 8.0
"""Boxes with a side below this, px, teach nothing; they become doubtful."""
_LEFT = 0.5
"""The share of a box that a cut must leave for it to be still one."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture as loaded, and what is marked in it."""

    picture: Image.Image
    boxes: Boxes
    doubtful: Boxes
    exhaustive: bool


def load(photo: Boxed) -> Sample:
    """From disk, RGB."""
    with Image.open(photo.path) as file:
        return Sample(file.convert("RGB"), photo.boxes, photo.doubtful, photo.exhaustive)


def varied(samples: Sequence[Sample], draw: np.random.Generator, side: int) -> Sample:
    """One picture whose longer side is about `side` px: of one sample, or of four in a square."""
    pieces = [_one(sample, draw, side if len(samples) == 1 else side // 2) for sample in samples]
    made = pieces[0] if len(pieces) == 1 else _square(pieces, side)
    made = _mirrored(made, draw)
    return replace(made, picture=_relit(made.picture, draw))


def _one(sample: Sample, draw: np.random.Generator, side: int) -> Sample:
    """Cut to a part, now and then, then brought to the side; or smaller, on a plain ground."""
    if draw.random() < 0.45:
        sample = _cut(sample, draw)
    by = side / max(sample.picture.size)
    if draw.random() < 0.2:
        by *= draw.uniform(0.35, 0.9)
    by_x, by_y = by * draw.uniform(0.85, 1.0), by * draw.uniform(0.85, 1.0)
    return _scaled(sample, by_x, by_y)


def _scaled(sample: Sample, by_x: float, by_y: float) -> Sample:
    w, h = (max(32, round(old * by)) for old, by in zip(sample.picture.size, (by_x, by_y), strict=True))
    by = np.array([w / sample.picture.width, h / sample.picture.height] * 2, np.float32)
    boxes, doubtful = sample.boxes * by, sample.doubtful * by
    small = _sides(boxes).min(axis=1, initial=np.inf) < _SMALLEST if len(boxes) else np.zeros(0, bool)
    picture = sample.picture.resize((w, h), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return Sample(picture, boxes[~small], np.concatenate([doubtful, boxes[small]]), sample.exhaustive)


def _cut(sample: Sample, draw: np.random.Generator) -> Sample:
    """A part of the picture, 0.4 to 1 of each side; boxes that lose half of themselves become doubtful."""
    w, h = sample.picture.size
    wide, high = (max(32, int(full * draw.uniform(0.4, 1.0))) for full in (w, h))
    left, top = int(draw.integers(0, w - wide + 1)), int(draw.integers(0, h - high + 1))
    window = np.array([left, top, left + wide, top + high], np.float32)
    sure, lost = _within(sample.boxes, window)
    still, gone = _within(sample.doubtful, window)
    picture = sample.picture.crop((left, top, left + wide, top + high))
    return Sample(picture, sure, np.concatenate([lost, still, gone]), sample.exhaustive)


def _within(boxes: Boxes, window: NDArray[np.float32]) -> tuple[Boxes, Boxes]:
    """What a window leaves of boxes, in its coordinates: those of which enough is left, and the rests of others."""
    low, high = window[:2], window[2:]
    inside = np.concatenate([np.clip(boxes[:, :2], low, high), np.clip(boxes[:, 2:], low, high)], axis=1)
    share = _sides(inside).prod(axis=1) / np.maximum(_sides(boxes).prod(axis=1), 1e-6)
    inside = (inside - np.concatenate([low, low])).astype(np.float32)
    return inside[share >= _LEFT], inside[(share > 0.02) & (share < _LEFT)]


def _square(pieces: Sequence[Sample], side: int) -> Sample:
    """Four pictures beside and below each other."""
    half = side // 2
    ground = Image.new("RGB", (side, side), (124, 116, 104))
    boxes, doubtful = [], []
    for number, piece in enumerate(pieces):
        x, y = number % 2 * half, number // 2 * half
        ground.paste(piece.picture, (x, y))
        offset = np.array([x, y, x, y], np.float32)
        boxes.append(piece.boxes + offset)
        doubtful.append(piece.doubtful + offset)
    exhaustive = all(piece.exhaustive for piece in pieces)
    return Sample(ground, np.concatenate(boxes), np.concatenate(doubtful), exhaustive)


def _mirrored(sample: Sample, draw: np.random.Generator) -> Sample:
    if draw.random() < 0.5:
        return sample
    w = sample.picture.width
    picture = sample.picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    boxes, doubtful = (
        np.stack([w - b[:, 2], b[:, 1], w - b[:, 0], b[:, 3]], axis=1) for b in (sample.boxes, sample.doubtful)
    )
    return Sample(picture, boxes, doubtful, sample.exhaustive)


def _relit(picture: Image.Image, draw: np.random.Generator) -> Image.Image:
    """Other light, other colours (packs come in all of them), softer, coarser."""
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        picture = change(picture).enhance(float(draw.uniform(0.6, 1.4)))
    if draw.random() < 0.5:
        h, s, v = picture.convert("HSV").split()
        turn = int(draw.integers(0, 256)) if draw.random() < 0.3 else int(draw.normal(0, 8))
        picture = Image.merge("HSV", (h.point(lambda x: (x + turn) % 256), s, v)).convert("RGB")
    if draw.random() < 0.15:
        picture = picture.filter(ImageFilter.GaussianBlur(float(draw.uniform(0.3, 1.4))))
    if draw.random() < 0.2:
        buffer = BytesIO()
        picture.save(buffer, "JPEG", quality=int(draw.integers(25, 75)))
        picture = Image.open(buffer).convert("RGB")
    return picture


def _sides(boxes: Boxes) -> Boxes:
    return boxes[:, 2:] - boxes[:, :2]
