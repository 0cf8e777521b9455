"""How good a network is while it learns, and at the end, on photos it does not learn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import nn
from torch.utils.data import Subset

from inventory_match.learning.augment import ToFloats, plain_view
from inventory_match.learning.data import PhotosInMemory
from inventory_match.learning.network import TrainingNetwork, normalisation
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
        self._to_floats = ToFloats(*normalisation(preset.network), device)

    def during(self, network: TrainingNetwork, size: int) -> dict[str, float]:
        """By the learned prototypes, which costs little; without any, by the nearest of a few references."""
        with torch.inference_mode():
            prototypes = network.objective.prototypes
        if prototypes is None:
            return self._by_neighbours(network, size, (FEW,))[0]
        classes = torch.arange(len(prototypes))
        found = {}
        for trial, photos in zip(self._trials, self._queries, strict=True):
            asked, truth = self._embedded(network, photos, size)
            found[trial.name] = top1(prototypes.cpu(), classes, asked, truth)
        return found

    def at_the_end(self, network: nn.Module) -> dict[str, float]:
        """By the nearest of all references, and of a few, at the size the encoder serves at. Where all references show one
        product, there is nothing to be wrong about, and no figure."""
        every, few = self._by_neighbours(network, self._served, (None, FEW))
        return every | {f"{name}, {FEW} references each": share for name, share in few.items()}

    def _by_neighbours(self, network: nn.Module, size: int, limits: Sequence[int | None]) -> list[dict[str, float]]:
        """For each of `limits`: the shares where so many references of a product answer, None for all."""
        needed = sorted({number for trial in self._trials for number in trial.references})
        most = None if None in limits else max(limit for limit in limits if limit)
        known = {number: self._embedded(network, self._pools[number], size, most) for number in needed}
        found: list[dict[str, float]] = [{} for _ in limits]
        for trial, photos in zip(self._trials, self._queries, strict=True):
            rows, answers = (torch.cat(parts) for parts in zip(*(known[n] for n in trial.references), strict=True))
            if len(set(answers.tolist())) < 2:
                continue
            asked, truth = self._embedded(network, photos, size)
            for shares, limit in zip(found, limits, strict=True):
                kept = first_of_each(answers.tolist(), limit)
                shares[trial.name] = top1(rows[kept], answers[kept], asked, truth)
        return found

    def _embedded(
        self, network: nn.Module, photos: PhotosInMemory, size: int, limit: int | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        kept = first_of_each(photos.labels, limit)
        return embed_all(network, Subset(photos.seen(plain_view(size)), kept), self._to_floats)


def first_of_each(labels: Sequence[int], limit: int | None) -> list[int]:
    """The places of the first `limit` of each label, in order; of all where it is None."""
    taken: Counter[int] = Counter()
    kept = []
    for place, label in enumerate(labels):
        taken[label] += 1
        if limit is None or taken[label] <= limit:
            kept.append(place)
    return kept
