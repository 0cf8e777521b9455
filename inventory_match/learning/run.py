"""One training run: the network that learns, the moving average of it that is kept, and the steps that drive both.

All randomness of an epoch is drawn from (seed, epoch), so the state between two epochs is the weights and what the
optimizer and its schedule remember; `state` and `restore` carry exactly that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from pytorch_metric_learning.samplers import MPerClassSampler
from pytorch_metric_learning.utils import common_functions
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from inventory_match.domain.errors import ConfigurationError
from inventory_match.learning.augment import ToFloats, mixture, training_view
from inventory_match.learning.data import Epoch, derived_seed
from inventory_match.learning.losses import UNLABELLED, objective
from inventory_match.learning.network import Teacher, TrainingNetwork, dimensions, normalisation, starting_encoder
from inventory_match.learning.optimizers import optimizer, schedule
from inventory_match.learning.preset import Preset

Photos = Sequence[tuple[torch.Tensor, int]]


class TrainingRun:
    """Learns by `preset`, `per_epoch` photos of `classes` products an epoch; after each `epoch()`, `averaged` is the network
    to judge and to keep. `workers` processes vary the photos; how many changes nothing but the time."""

    def __init__(self, preset: Preset, classes: int, per_epoch: int, *, device: torch.device, workers: int = 1) -> None:
        torch.manual_seed(preset.seed)
        self._preset, self._device, self._workers = preset, device, workers
        self.batch = min(preset.batch, per_epoch) // preset.each * preset.each
        if not self.batch:
            raise ConfigurationError(f"an epoch of {per_epoch} photos holds no batch with each = {preset.each}")
        self.steps = per_epoch // self.batch
        self._teacher = Teacher(Path(preset.loss.teacher), device) if preset.loss.teacher else None
        self.network = _network(preset, classes, self._teacher).to(device).to(memory_format=torch.channels_last)
        self._average = AveragedModel(self.network, multi_avg_fn=partial(_blend, preset.averaging), use_buffers=True)
        self._optimizer = _optimizer(preset, self.network)
        steps = preset.epochs * self.steps
        warmup = min(round(preset.optimizer.warmup * self.steps), steps // 5)
        self._schedule = schedule(self._optimizer, steps, warmup)
        self._to_floats = ToFloats(*normalisation(preset.network), device)
        self._mix = mixture(classes) if preset.loss.mix else None

    @property
    def averaged(self) -> TrainingNetwork:
        """The moving average of the weights so far, in evaluation mode."""
        return cast("TrainingNetwork", self._average.module).eval()

    @property
    def rate(self) -> float:
        """The trunk's learning rate now."""
        return float(self._schedule.get_last_lr()[0])

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on as if nothing had happened; tensors, numbers and names only."""
        parts = (self.network, self._average, self._optimizer, self._schedule)
        return dict(zip(("network", "average", "optimizer", "schedule"), (p.state_dict() for p in parts), strict=True))

    def restore(self, state: dict[str, Any]) -> None:
        """Takes over the `state` of a run of the same preset and photos."""
        self.network.load_state_dict(state["network"])
        self._average.load_state_dict(state["average"])
        self._schedule.load_state_dict(state["schedule"])
        self._optimizer.load_state_dict(state["optimizer"])

    def epoch(self, number: int, photos: Photos, told: Callable[[float], None] = lambda _: None) -> float:
        """Learns `photos` once, at the size of epoch `number` (from 0); returns the mean loss. `told` hears each step's."""
        self.network.train()
        torch.manual_seed(derived_seed(self._preset.seed, number))
        total = 0.0
        for views, labels in self._loader(number, photos):
            loss = self._step(views, labels.to(self._device))
            told(loss)
            total += loss
        return total / self.steps

    def _loader(self, number: int, photos: Photos) -> DataLoader[tuple[torch.Tensor, int]]:
        """Forked workers vary the photos while the network learns: they share the pixels instead of copying them."""
        views = 2 if "second_views" in self.network.objective.needs else 1
        view, seed = training_view(self._preset.size_at(number), self._preset.augment), self._preset.seed
        epoch = Epoch(photos, view, seed=seed, epoch=number, views=views)
        batches = list(self._batches(number, [label for _, label in photos]))
        fork = "fork" if self._workers else None
        return DataLoader(epoch, batch_sampler=batches, num_workers=self._workers, multiprocessing_context=fork)

    def _batches(self, number: int, labels: Sequence[int]) -> Iterator[list[int]]:
        """Places in the epoch, batch by batch. Where a batch holds several photos a product, unlabelled photos come in
        batches of their own."""
        if self._preset.each == 1:
            for start in range(0, self.steps * self.batch, self.batch):
                yield list(range(start, start + self.batch))
            return
        named = [n for n, label in enumerate(labels) if label != UNLABELLED]
        if len(set(labels) - {UNLABELLED}) * self._preset.each < self.batch:
            raise ConfigurationError(
                f"batch = {self.batch} with each = {self._preset.each} wants {self.batch // self._preset.each} products"
            )
        if len(named) < self.batch:
            raise ConfigurationError(f"an epoch has {len(named)} labelled photos, fewer than batch = {self.batch}")
        draw = np.random.RandomState(derived_seed("batches", self._preset.seed, number) % 2**32)
        common_functions.NUMPY_RANDOM = draw  # what the library's samplers draw from, documented to be set
        known = [labels[n] for n in named]
        places = [named[n] for n in MPerClassSampler(known, self._preset.each, self.batch, len(named))]
        places += [n for n, label in enumerate(labels) if label == UNLABELLED]
        batches = [places[start : start + self.batch] for start in range(0, self.steps * self.batch, self.batch)]
        draw.shuffle(batches)
        yield from (batch for batch in batches if len(batch) > 1)

    def _step(self, views: torch.Tensor, labels: torch.Tensor) -> float:
        first, soft = views[:, 0], None
        if (
            self._mix is not None
            and bool((labels != UNLABELLED).all())
            and float(torch.rand(())) < self._preset.loss.mix
        ):
            first, soft = self._mix(first.float(), labels)  # bytes cannot be blended
        teacher = None if self._teacher is None else self._teacher(first)
        pictures = self._to_floats(first if views.shape[1] == 1 else torch.cat([first, views[:, 1]]))
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._preset.bf16):
            embedded = self.network(pictures)
        own, other = embedded[: len(labels)], embedded[len(labels) :]
        second = other if len(other) else None
        loss = self.network.objective(own, labels, second_views=second, teacher=teacher, soft_labels=soft)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self._schedule.step()
        self._average.update_parameters(self.network)
        return float(loss.item())


def _blend(most: float, averaged: list[torch.Tensor], current: list[torch.Tensor], number: torch.Tensor) -> None:
    """The moving average, a step on. It keeps little at first and at `most` that share later, as TensorFlow's does: a short run
    would otherwise end as an average of its random beginning."""
    keep = min(most, (1 + float(number)) / (10 + float(number)))
    get_ema_multi_avg_fn(keep)(averaged, current, number)  # type: ignore[no-untyped-call] # torch does not type it


def _network(preset: Preset, classes: int, teacher: Teacher | None) -> TrainingNetwork:
    loss, how = preset.loss, preset.network
    terms: dict[str, float] = {name: weight for name, weight in loss.terms.items() if classes or name in _LABEL_FREE}
    if preset.unlabelled is not None:
        terms.setdefault("nt_xent", preset.unlabelled.weight)
    learned = objective(
        terms,
        dim=dimensions(how),
        classes=classes,
        scale=loss.scale,
        margin=loss.margin,
        smoothing=loss.smoothing,
        temperature=loss.temperature,
        teacher_dim=teacher.dim if teacher else None,
    )
    return TrainingNetwork(starting_encoder(how), learned, dropout=how.dropout, mode=how.mode)


_LABEL_FREE = ("nt_xent", "mse")


def _optimizer(preset: Preset, network: TrainingNetwork) -> torch.optim.Optimizer:
    """What was trained before moves slowly, the new head faster, the prototypes, which start anywhere, fastest."""
    how = preset.optimizer
    before = (network.encoder.trunk, network.encoder.neck, network.encoder.pool)
    groups = [
        {"params": [p for part in before for p in part.parameters() if p.requires_grad], "lr": how.rate},
        {"params": [*network.encoder.head.parameters(), *network.norm.parameters()], "lr": how.head_factor * how.rate},
        {"params": list(network.objective.parameters()), "lr": how.class_factor * how.rate, "weight_decay": 0.0},
    ]
    moving = [group for group in groups if group["params"]]
    return optimizer(how.name, moving, rate=how.rate, weight_decay=how.weight_decay, momentum=how.momentum)
