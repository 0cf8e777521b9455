"""Photos decoded once and kept in memory, so that an epoch is spent on learning, not on JPEG; and one epoch of them.

Everything random about a photo's view hangs on (seed, epoch, place in the epoch), not on which process draws it or what was
drawn before: that is what makes a resumed run the same run, with any number of loader processes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch.utils.data import Dataset
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from inventory_match.learning.labelled import Labelled
from inventory_match.learning.losses import UNLABELLED
from inventory_match.vision.images import decoder


def load(photo: Labelled, short_side: int, margin: float = 0.0) -> torch.Tensor:
    """The product's pixels as uint8 (3, h, w), shrunk so that the short side is at most `short_side`."""
    pixels = torch.from_numpy(photo.pixels(decoder(), margin).copy()).permute(2, 0, 1)
    if min(pixels.shape[1:]) <= short_side:
        return pixels
    return cast("torch.Tensor", functional.resize(pixels, [short_side], antialias=True))


class PhotosInMemory(Dataset[tuple[torch.Tensor, int]]):
    """Pairs (pixels after `transform`, class number). `classes` names the numbers; by default the skus in order. A product
    that is not among them has the number UNLABELLED: never a right answer."""

    def __init__(
        self,
        photos: Sequence[Labelled],
        transform: v2.Transform,
        *,
        classes: Sequence[str] | None = None,
        short_side: int = 256,
        margin: float = 0.0,
        each: Callable[[], None] = lambda: None,
    ) -> None:
        self.transform = transform
        self.classes = list(classes) if classes is not None else sorted({photo.sku for photo in photos})
        numbers = {sku: number for number, sku in enumerate(self.classes)}
        self.labels = [numbers.get(photo.sku, UNLABELLED) for photo in photos]
        self.pixels = []
        for photo in photos:
            self.pixels.append(load(photo, short_side, margin))
            each()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.pixels[index]), self.labels[index]

    def seen(self, transform: v2.Transform) -> PhotosInMemory:
        """The same pixels under another transform."""
        other = PhotosInMemory((), transform, classes=self.classes)
        other.pixels, other.labels = self.pixels, self.labels
        return other


class Epoch(Dataset[tuple[torch.Tensor, int]]):
    """The photos of one epoch in its order, each varied `views` times: (views, 3, size, size) uint8, and its class number."""

    def __init__(
        self,
        photos: Sequence[tuple[torch.Tensor, int]],
        transform: v2.Transform,
        *,
        seed: int,
        epoch: int,
        views: int = 1,
    ) -> None:
        self._photos, self._transform, self._views = photos, transform, views
        self._seed, self._epoch = seed, epoch

    def __len__(self) -> int:
        return len(self._photos)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        pixels, label = self._photos[index]
        with torch.random.fork_rng(devices=[]):  # without workers this is the process whose dropout draws, too
            torch.manual_seed(derived_seed(self._seed, self._epoch, index))
            return torch.stack([self._transform(pixels) for _ in range(self._views)]), label


def derived_seed(*parts: int | str) -> int:
    """A seed of 63 bits that hangs on all parts."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big") >> 1
