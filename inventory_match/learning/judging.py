"""How good a network is while it learns, and at the end, on photos it does not learn."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from inventory_match.learning.augment import ToFloats, plain_view
from inventory_match.learning.data import PhotosInMemory
from inventory_match.learning.network import TrainingNetwork
from inventory_match.learning.preset import Preset
from inventory_match.learning.recall import embed_all, top1
from inventory_match.learning.sources import Sources

FEW = 5
"""References a product, for the figure of a small catalog."""


class Judge:
    """Shares of right first answers, 0..1, by the name of the validation set."""

    def __init__(
        self,
        preset: Preset,
        sources: Sources,
        pools: Sequence[PhotosInMemory],
        queries: Sequence[PhotosInMemory],
        device: torch.device,
    ) -> None:
        self._served, self._trials = preset.network.size, sources.trials
        self._pools, self._queries = pools, queries
        self._to_floats = ToFloats(preset.network.mean, preset.network.std, device)

    def during(self, network: TrainingNetwork, size: int) -> dict[str, float]:
        """By the learned prototypes, which costs little; without any, by the nearest of a few references."""
        with torch.inference_mode():
            prototypes = network.objective.prototypes
        if prototypes is None:
            return self._by_neighbours(network, size, FEW)
        classes = torch.arange(len(prototypes))
        found = {}
        for trial, photos in zip(self._trials, self._queries, strict=True):
            asked, truth = self._embedded(network, photos, size)
            found[trial.name] = top1(prototypes.cpu(), classes, asked, truth)
        return found

    def finally_(self, network: TrainingNetwork) -> dict[str, float]:
        """By the nearest of all references, and of a few, at the size the encoder serves at."""
        every = self._by_neighbours(network, self._served, None)
        few = self._by_neighbours(network, self._served, FEW)
        return every | {f"{name}, {FEW} references each": share for name, share in few.items()}

    def _by_neighbours(self, network: TrainingNetwork, size: int, each: int | None) -> dict[str, float]:
        needed = sorted({number for trial in self._trials for number in trial.references})
        known = {number: self._embedded(network, self._pools[number], size, each) for number in needed}
        found = {}
        for trial, photos in zip(self._trials, self._queries, strict=True):
            rows, answers = zip(*(known[number] for number in trial.references), strict=True)
            asked, truth = self._embedded(network, photos, size)
            found[trial.name] = top1(torch.cat(rows), torch.cat(answers), asked, truth)
        return found

    def _embedded(
        self, network: TrainingNetwork, photos: PhotosInMemory, size: int, each: int | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return embed_all(network, photos.seen(plain_view(size), each), self._to_floats)
