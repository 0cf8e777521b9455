"""How a training photo is varied: whatever a shop may change about a product without making it another product.

Distance and framing (crop, stretch), a tilted camera (rotation, perspective), lamps (brightness, contrast, colour),
a cheap lens (blur), hands and price tags in front (erasing). The hue moves only a little: on shelves of fruit, and
among flavours of one brand, colour is what tells products apart.
"""

from __future__ import annotations

import torch
from torchvision.transforms import v2


def training_view(size: int) -> v2.Transform:
    """uint8 (3, h, w) to a randomly varied uint8 (3, size, size)."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(0.3, 1.0), ratio=(0.65, 1.55), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.RandomApply(
                [v2.RandomChoice([v2.RandomRotation(20), v2.RandomPerspective(0.25, p=1.0)])],
                p=0.35,
            ),
            v2.RandomApply([v2.ColorJitter(0.35, 0.35, 0.35, 0.02)], p=0.8),
            v2.RandomApply([v2.GaussianBlur(5, (0.3, 2.0))], p=0.15),
            v2.RandomErasing(p=0.2, scale=(0.02, 0.2), value=0),
        ]
    )


def plain_view(size: int) -> v2.Transform:
    """uint8 (3, h, w) stretched to (3, size, size), as the encoder sees it when it serves."""
    return v2.Resize([size, size], antialias=True)


def to_floats(batch: torch.Tensor) -> torch.Tensor:
    """uint8 to floats in -1..1, channels last in memory, which is the faster order for convolutions on a CPU."""
    return (batch.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
