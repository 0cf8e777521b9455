"""How a training run goes, as one frozen record: sizes, rates and how both change while it runs."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How to train. `rate` is AdamW's for the trunk; what starts from nothing learns faster than what was trained.

    `serve_size` is the side of the picture when serving, `size` unless given: random crops show products larger than
    whole photos do, so a somewhat larger picture often serves better (Touvron et al., Fixing the train-test resolution
    discrepancy, NeurIPS 2019). `scale` sharpens the cosines before the softmax; `averaging` is how much of the moving
    average stays at each step.
    """

    arch: str = "mobilenet_v2"
    dim: int = 256
    size: int = 192
    serve_size: int | None = None
    epochs: int = 14
    batch: int = 32
    rate: float = 5e-4
    weight_decay: float = 0.02
    smoothing: float = 0.1
    scale: float = 16.0
    averaging: float = 0.99
    seed: int = 7

    @property
    def served(self) -> int:
        """Side of the square picture the encoder gets when it serves, px."""
        return self.serve_size or self.size

    def size_at(self, epoch: int) -> int:
        """Two thirds of the full size for half the epochs, five sixths for a quarter, then all of it."""
        done = epoch / self.epochs
        share = 2 / 3 if done < 0.5 else 5 / 6 if done < 0.75 else 1.0
        return max(32, round(self.size * share / 32) * 32)

    def rate_at(self, progress: float) -> float:
        """Factor on the rates for `progress` in 0..1: an epoch (at most a fifth) of warm-up, then half a cosine."""
        warm = min(1 / self.epochs, 0.2)
        if progress < warm:
            return 0.05 + 0.95 * progress / warm
        return 0.01 + 0.99 * (1 + math.cos(math.pi * (progress - warm) / (1 - warm))) / 2
