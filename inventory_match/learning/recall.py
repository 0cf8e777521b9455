"""How often the nearest photo, or prototype, shows the right product: the figure training is judged by."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from inventory_match.learning.augment import ToFloats


@torch.inference_mode()
def embed_all(
    network: nn.Module, photos: Dataset[tuple[torch.Tensor, int]], to_floats: ToFloats
) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings (n, dim) and class numbers (n,) of all photos, in order, on the CPU."""
    batches = [(network(to_floats(batch)).cpu(), labels) for batch, labels in DataLoader(photos, batch_size=32)]
    return torch.cat([rows for rows, _ in batches]), torch.cat([labels for _, labels in batches])


def top1(known: torch.Tensor, answers: torch.Tensor, asked: torch.Tensor, truth: torch.Tensor) -> float:
    """Share (0..1) of the queries `asked` (n, dim) whose most similar row of `known` (m, dim) has their class; `answers`
    (m,) and `truth` (n,) are class numbers."""
    return float((answers[(asked @ known.T).argmax(1)] == truth).float().mean())
