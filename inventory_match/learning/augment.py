"""How a training photo is varied: whatever a shop may change about a product without making it another product.

Distance and framing (crop, shift, stretch), a tilted camera (rotation, perspective), lamps (brightness, contrast, colour),
a cheap lens and its JPEG (blur, compression), hands and price tags in front (erasing). The hue moves only a little and
seldom: on shelves of fruit, and among flavours of one brand, colour is what tells products apart (and moving it costs
as much as all the rest).
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import v2

from inventory_match.learning.preset import Augment
from inventory_match.vision.preprocessing import resized


def training_view(size: int, how: Augment) -> v2.Transform:
    """uint8 (3, h, w) to a randomly varied uint8 (3, size, size)."""
    turns = v2.RandomChoice([v2.RandomRotation(how.turn), v2.RandomPerspective(0.25, p=1.0)])
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(how.least, 1.0), ratio=(0.65, 1.55), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([turns], p=how.turned),
            v2.RandomApply([v2.ColorJitter(how.brightness, how.contrast, how.saturation)], p=0.7),
            v2.RandomApply([v2.ColorJitter(hue=0.02)], p=0.1),
            v2.RandomGrayscale(how.grey),
            v2.RandomApply([v2.GaussianBlur(5, (0.3, 2.0))], p=how.blurred),
            v2.RandomApply([v2.Lambda(_recompressed)], p=how.recompressed),
            v2.RandomErasing(p=how.erased, scale=(0.02, 0.2), value=0),
        ]
    )


def _recompressed(pixels: torch.Tensor) -> torch.Tensor:
    """Through a JPEG of quality 25 to 90. Pillow's, because torchvision gives up its own (`v2.JPEG` is deprecated)."""
    written = BytesIO()
    quality = int(torch.randint(25, 91, ()))
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(written, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(written))).permute(2, 0, 1)


def plain_view(size: int) -> v2.Transform:
    """uint8 (3, h, w) stretched to (3, size, size), as the encoder sees it when it serves."""

    def stretched(pixels: torch.Tensor) -> torch.Tensor:
        seen = resized(pixels.permute(1, 2, 0).numpy(), (size, size))
        return torch.from_numpy(np.array(seen)).permute(2, 0, 1)

    return v2.Lambda(stretched)


def mixture(classes: int) -> v2.Transform:
    """(pictures, labels) to pictures cut or blended into each other, and the share of each class, (n, classes).

    CutMix (Yun et al., ICCV 2019) or mixup (Zhang et al., ICLR 2018), by a coin.
    """
    return v2.RandomChoice([v2.CutMix(num_classes=classes), v2.MixUp(alpha=0.3, num_classes=classes)])


class ToFloats:
    """uint8 pictures to (x / 255 - mean) / std, channels last in memory, the faster order for convolutions."""

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> None:
        self._scale = torch.tensor([1 / (255 * s) for s in std], device=device).view(3, 1, 1)
        self._shift = torch.tensor([m / s for m, s in zip(mean, std, strict=True)], device=device).view(3, 1, 1)
        self._device = device

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """uint8 (n, 3, h, w) on any device to floats on this one's."""
        floats = batch.to(self._device, non_blocking=True).float()
        return (floats * self._scale - self._shift).contiguous(memory_format=torch.channels_last)
