"""Labelled photos from CSV files, decoded once and kept in memory, so that an epoch is spent on learning, not on JPEG.

A CSV has the columns image and sku, optionally x0, y0, x1, y1 (pixels of the file) to cut the product out; image paths
are relative to the CSV.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch.utils.data import Dataset
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from inventory_match.domain.errors import InvalidInput, PhotoRejected
from inventory_match.vision.images import decoder

_decode = decoder()

UNSEEN = -1
"""The class number of a product that is not among the classes: never a right answer."""


@dataclass(frozen=True, slots=True)
class LabelledPhoto:
    """One example: a file, the product on it, and where (None: the whole photo)."""

    path: Path
    sku: str
    box: tuple[float, float, float, float] | None = None


def read_csv(path: Path) -> list[LabelledPhoto]:
    """The examples of one CSV, in its order. Raises InvalidInput naming file and line of the first wrong row."""
    with path.open(newline="", encoding="utf-8") as file:
        return [_photo(path, line, row) for line, row in enumerate(csv.DictReader(file), start=2)]


def _photo(path: Path, line: int, row: dict[str, str]) -> LabelledPhoto:
    if not row.get("image") or not row.get("sku"):
        raise InvalidInput("image or sku is missing", file=str(path), line=line, cure="give both columns a value")
    file = path.parent / row["image"]
    if not file.is_file():
        raise InvalidInput(f"{file} does not exist", file=str(path), line=line, key="image")
    corners = [row.get(name) or "" for name in ("x0", "y0", "x1", "y1")]
    if not any(corners):
        return LabelledPhoto(file, row["sku"])
    try:
        x0, y0, x1, y1 = (float(corner) for corner in corners)
    except ValueError as error:
        raise InvalidInput("x0, y0, x1, y1 are not four numbers", file=str(path), line=line) from error
    return LabelledPhoto(file, row["sku"], (x0, y0, x1, y1))


def load(photo: LabelledPhoto, short_side: int) -> torch.Tensor:
    """The upright RGB pixels as uint8 (3, h, w), shrunk so that the short side is at most `short_side`."""
    try:
        image = _decode(photo.path.read_bytes()).image
    except PhotoRejected as error:
        raise InvalidInput(str(error), file=str(photo.path), cure="mend the photo or drop its row") from error
    if photo.box is not None:
        left, top, right, bottom = (max(0, round(corner)) for corner in photo.box)
        image = image[top:bottom, left:right]
    if not image.size:
        raise InvalidInput(f"box {photo.box} holds no pixel", file=str(photo.path), cure="mend or drop the box")
    pixels = torch.from_numpy(image.copy()).permute(2, 0, 1)
    if min(pixels.shape[1:]) <= short_side:
        return pixels
    return cast("torch.Tensor", functional.resize(pixels, [short_side], antialias=True))


class PhotosInMemory(Dataset[tuple[torch.Tensor, int]]):
    """Pairs (pixels after `transform`, class number). `classes` names the numbers; by default the skus in order."""

    def __init__(
        self,
        photos: Sequence[LabelledPhoto],
        transform: v2.Transform,
        *,
        classes: Sequence[str] | None = None,
        short_side: int = 256,
    ) -> None:
        self.transform = transform
        self.classes = list(classes) if classes is not None else sorted({photo.sku for photo in photos})
        numbers = {sku: number for number, sku in enumerate(self.classes)}
        self._labels = [numbers.get(photo.sku, UNSEEN) for photo in photos]
        self._pixels = [load(photo, short_side) for photo in photos]

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(self._pixels[index]), self._labels[index]
