"""Labelled photos, decoded once and kept in memory, so that an epoch is spent on learning, not on JPEG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch.utils.data import Dataset
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from inventory_match.learning.labelled import Labelled
from inventory_match.vision.images import decoder

UNSEEN = -1
"""The class number of a product that is not among the classes: never a right answer."""


def load(photo: Labelled, short_side: int) -> torch.Tensor:
    """The product's pixels as uint8 (3, h, w), shrunk so that the short side is at most `short_side`."""
    pixels = torch.from_numpy(photo.pixels(decoder()).copy()).permute(2, 0, 1)
    if min(pixels.shape[1:]) <= short_side:
        return pixels
    return cast("torch.Tensor", functional.resize(pixels, [short_side], antialias=True))


class PhotosInMemory(Dataset[tuple[torch.Tensor, int]]):
    """Pairs (pixels after `transform`, class number). `classes` names the numbers; by default the skus in order."""

    def __init__(
        self,
        photos: Sequence[Labelled],
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
