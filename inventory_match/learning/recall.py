"""How often the nearest photo, or prototype, shows the right product: the figures training is judged by."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.utils.data import DataLoader

from inventory_match.learning.augment import to_floats
from inventory_match.learning.data import PhotosInMemory
from inventory_match.learning.network import TrainingNetwork

Embed = Callable[[torch.Tensor], torch.Tensor]


@torch.inference_mode()
def embed_all(embed: Embed, photos: PhotosInMemory) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings (n, dim) and class numbers (n,) of all photos, in order."""
    batches = [(embed(to_floats(batch)), labels) for batch, labels in DataLoader(photos, batch_size=64)]
    return torch.cat([rows for rows, _ in batches]), torch.cat([labels for _, labels in batches])


def top1_by_nearest_neighbour(embed: Embed, references: PhotosInMemory, queries: PhotosInMemory) -> float:
    """Share of queries (0..1) whose most similar reference has their class; both sets must number classes alike."""
    known, answers = embed_all(embed, references)
    asked, truth = embed_all(embed, queries)
    return float((answers[(asked @ known.T).argmax(1)] == truth).float().mean())


@torch.inference_mode()
def top1_by_prototype(network: TrainingNetwork, photos: PhotosInMemory) -> float:
    """Share of photos (0..1) whose most similar prototype is their class's; cheap enough for every epoch."""
    batches = DataLoader(photos, batch_size=64)
    right = sum(int((network(to_floats(batch)).argmax(1) == labels).sum()) for batch, labels in batches)
    return right / len(photos)
