"""The course of a detector: batches of varied photos, one rate that rises and falls, a moving average that is what is kept.

Everything hangs on the seed, step by step, so that a run that was cut short goes on as if it had not been.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset
from torchvision.models.detection.fcos import FCOS
from torchvision.transforms.functional import pil_to_tensor

from inventory_match.learning.detection.losses import ForgivingHead
from inventory_match.learning.detection.photos import Boxed
from inventory_match.learning.detection.variation import Sample, load, varied
from inventory_match.vision.detection.network import compact

_SIDES = (256, 320, 384, 448, 512)
"""Longer sides, px, one a batch."""
_FROZEN = ("0", "1", "2", "3")
"""Blocks of the trunk that stay as they were learned on ImageNet: they see edges and colours, which need no teaching, in maps
so large that half the time of a step would go into them."""
_FOURS = 0.15
"""Share of pictures that are made of four."""


_KEEP = 100
"""Steps between checkpoints."""


@dataclass(frozen=True, slots=True)
class Course:
    """`shares`: how often a photo is drawn from each of the sources. Rates are those of AdamW; the trunk, which knows pictures
    already, learns at `trunk_rate`."""

    steps: int
    batch: int = 6
    rate: float = 1e-3
    trunk_rate: float = 4e-4
    decay: float = 0.02
    warm_up: int = 150
    average: float = 0.998
    seed: int = 0
    shares: tuple[float, ...] = (1.0,)


class Lessons(Dataset[tuple[Tensor, dict[str, Tensor]]]):
    """Picture number n of the course: which photo, and how it is varied, follow from (seed, n)."""

    def __init__(self, sources: Sequence[Sequence[Boxed]], course: Course, first: int = 0) -> None:
        self._sources, self._course, self._first = sources, course, first * course.batch

    def __len__(self) -> int:
        return self._course.steps * self._course.batch - self._first

    def __getitem__(self, number: int) -> tuple[Tensor, dict[str, Tensor]]:
        number += self._first
        course = self._course
        side = _SIDES[int(np.random.default_rng((course.seed, number // course.batch)).integers(len(_SIDES)))]
        draw = np.random.default_rng((course.seed, 1, number))
        source = self._sources[int(draw.choice(len(self._sources), p=course.shares))]
        count = 4 if draw.random() < _FOURS else 1
        chosen = [load(source[int(index)]) for index in draw.integers(0, len(source), count)]
        return _tensors(varied(chosen, draw, side))


def _tensors(sample: Sample) -> tuple[Tensor, dict[str, Tensor]]:
    picture = pil_to_tensor(sample.picture).float() / 255
    boxes = torch.from_numpy(sample.boxes.astype(np.float32))
    return picture, {
        "boxes": boxes,
        "labels": torch.zeros(len(boxes), dtype=torch.int64),
        "doubtful": torch.from_numpy(sample.doubtful.astype(np.float32)),
        "exhaustive": torch.tensor(sample.exhaustive),
    }


def detector_to_teach() -> FCOS:
    """The compact detector with the forgiving head and random weights."""
    return compact(ForgivingHead)


def teach(
    detector: FCOS,
    sources: Sequence[Sequence[Boxed]],
    course: Course,
    checkpoint: Path,
    *,
    workers: int,
    device: torch.device,
    told: Callable[[int, Mapping[str, float]], None],
    stop_at: int | None = None,
) -> FCOS:
    """Runs the course, or goes on with it, and returns the moving average. `told` hears of each step and its losses; after step
    `stop_at` the course is left, to be gone on with later."""
    detector.to(device, memory_format=torch.channels_last)
    for block in _FROZEN:
        detector.backbone.body[block].requires_grad_(False)
    optimizer = _optimizer(detector, course)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, course))
    averaged = AveragedModel(detector, multi_avg_fn=_moving(course.average), use_buffers=True)
    parts = {"detector": detector, "optimizer": optimizer, "schedule": schedule, "averaged": averaged}
    step = _resumed(checkpoint, parts)
    for pictures, targets in _batches(sources, course, step, workers):
        _set_training(detector)
        held = [{name: value.to(device) for name, value in target.items()} for target in targets]
        losses = cast("dict[str, Tensor]", detector([picture.to(device) for picture in pictures], held))
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        nn.utils.clip_grad_norm_(detector.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        averaged.update_parameters(detector)
        step += 1
        told(step, {name: float(value.detach()) for name, value in losses.items()})
        last = step in (stop_at, course.steps)
        if last or step % _KEEP == 0:
            _save(checkpoint, parts, step)
        if last:
            break
    return cast("FCOS", averaged.module.eval())


def _moving(most: float) -> Callable[[Any, Any, Any], None]:
    """An average over about the last 1 / (1 - most) steps; over fewer at first, so that it soon forgets where it began."""

    def update(kept: Any, new: Any, count: Any) -> None:
        decay = min(most, (1 + int(count)) / (10 + int(count)))
        get_ema_multi_avg_fn(decay)(kept, new, count)  # type: ignore[no-untyped-call] # torch's

    return update


def _set_training(detector: FCOS) -> None:
    """Batches are too small to measure a norm by: the trunk's stay as they were learned."""
    detector.train()
    for layer in detector.backbone.body.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()


def _optimizer(detector: FCOS, course: Course) -> torch.optim.AdamW:
    body = list(detector.backbone.body.parameters())
    known = {id(one) for one in body}
    rest = [one for one in detector.parameters() if id(one) not in known]
    trunk = [one for one in body if one.requires_grad]
    groups: list[dict[str, Any]] = [{"params": trunk, "lr": course.trunk_rate}, {"params": rest}]
    return torch.optim.AdamW(groups, lr=course.rate, weight_decay=course.decay)


def _rate(step: int, course: Course) -> float:
    """Up over the first steps, then down along half a cosine."""
    if step < course.warm_up:
        return (step + 1) / course.warm_up
    done = (step - course.warm_up) / max(course.steps - course.warm_up, 1)
    return 0.01 + 0.99 * (1 + math.cos(math.pi * min(done, 1.0))) / 2


def _batches(
    sources: Sequence[Sequence[Boxed]], course: Course, first: int, workers: int
) -> Iterator[tuple[list[Tensor], list[dict[str, Tensor]]]]:
    lessons = Lessons(sources, course, first)
    yield from DataLoader(
        lessons, course.batch, num_workers=workers, collate_fn=_together, persistent_workers=workers > 0
    )


def _together(batch: list[tuple[Tensor, dict[str, Tensor]]]) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    pictures, targets = zip(*batch, strict=True)
    return list(pictures), list(targets)


def _save(checkpoint: Path, parts: Mapping[str, Any], step: int) -> None:
    unfinished = checkpoint.with_suffix(".part")
    torch.save({"step": step, **{name: part.state_dict() for name, part in parts.items()}}, unfinished)
    unfinished.replace(checkpoint)


def _resumed(checkpoint: Path, parts: Mapping[str, Any]) -> int:
    if not checkpoint.exists():
        return 0
    state = torch.load(checkpoint, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return int(state["step"])
