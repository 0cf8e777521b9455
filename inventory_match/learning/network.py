"""The encoder as it is while it learns, and where it starts from."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from inventory_match.learning.recipe import Recipe
from inventory_match.vision.network import EmbeddingNetwork
from inventory_match.vision.weights import read_record, read_tensors


class TrainingNetwork(nn.Module):
    """The encoder with what only training needs: batch norm on the embedding and one prototype a class."""

    def __init__(self, encoder: EmbeddingNetwork, classes: int, dim: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.norm = nn.BatchNorm1d(dim)
        self.prototypes = nn.Parameter(torch.randn(classes, dim))

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        """(n, 3, h, w) floats to L2-normalised (n, dim)."""
        return functional.normalize(self.norm(self.encoder(batch)))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """(n, 3, h, w) floats to the cosine with every prototype, (n, classes)."""
        return self.embed(batch) @ functional.normalize(self.prototypes).T


def starting_point(recipe: Recipe, weights: Path | None, classes: int) -> TrainingNetwork:
    """A network that starts at `weights`: an encoder file, a torchvision state dict, or None for random ones."""
    encoder = EmbeddingNetwork(recipe.arch, recipe.dim, normalise=False)
    if weights is not None and weights.suffix == ".safetensors":
        encoder.load_state_dict(read_tensors(read_record(weights)))
    elif weights is not None:
        encoder.load_torchvision(torch.load(weights, map_location="cpu", weights_only=True))
    return TrainingNetwork(encoder, classes, recipe.dim)
