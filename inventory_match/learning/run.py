"""One training run: the network that learns, the moving average of it that is kept, and the epochs that drive both."""

from __future__ import annotations

from typing import cast

import torch
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from inventory_match.learning.augment import to_floats, training_view
from inventory_match.learning.data import PhotosInMemory
from inventory_match.learning.network import TrainingNetwork
from inventory_match.learning.recipe import Recipe


class TrainingRun:
    """Learns `photos` by `recipe`; after each `epoch()`, `averaged` is the network to judge and to keep."""

    def __init__(self, recipe: Recipe, network: TrainingNetwork, photos: PhotosInMemory) -> None:
        self._recipe, self._photos = recipe, photos
        self._network = network.to(memory_format=torch.channels_last)
        smoothly = get_ema_multi_avg_fn(recipe.averaging)  # type: ignore[no-untyped-call] # torch does not type it
        self._average = AveragedModel(network, multi_avg_fn=smoothly, use_buffers=True)
        self._optimiser = _optimiser(recipe, network)
        self._batch = min(recipe.batch, len(photos))
        steps = recipe.epochs * (len(photos) // self._batch)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimiser, lambda step: recipe.rate_at(step / steps))

    @property
    def averaged(self) -> TrainingNetwork:
        """The moving average of the weights so far, in evaluation mode."""
        return cast("TrainingNetwork", self._average.module).eval()

    def epoch(self, number: int) -> float:
        """Goes once through the photos, at the size of epoch `number` (from 0); returns the mean loss."""
        self._network.train()
        self._photos.transform = training_view(self._recipe.size_at(number))
        losses = [self._step(batch, labels) for batch, labels in self._loader()]
        return sum(losses) / len(losses)

    def _loader(self) -> DataLoader[tuple[torch.Tensor, int]]:
        """One forked worker varies the photos while the network learns: it shares the pixels instead of copying them."""
        return DataLoader(
            self._photos, self._batch, shuffle=True, drop_last=True, num_workers=1, multiprocessing_context="fork"
        )

    def _step(self, batch: torch.Tensor, labels: torch.Tensor) -> float:
        cosines = self._network(to_floats(batch))
        smoothing = self._recipe.smoothing
        loss = functional.cross_entropy(self._recipe.scale * cosines, labels, label_smoothing=smoothing)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # torch does not type it
        self._optimiser.step()
        self._schedule.step()
        self._average.update_parameters(self._network)
        return loss.item()


def _optimiser(recipe: Recipe, network: TrainingNetwork) -> torch.optim.AdamW:
    """What was trained before moves slowly, the new head faster, the prototypes, which start anywhere, fastest."""
    groups = [
        {"params": network.encoder.trunk.parameters(), "lr": recipe.rate},
        {"params": [*network.encoder.head.parameters(), *network.norm.parameters()], "lr": 4 * recipe.rate},
        {"params": [network.prototypes], "lr": 20 * recipe.rate, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
