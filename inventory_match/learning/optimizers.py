"""How weights move: torch's optimizers by name, and the course their rates take over a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR

from inventory_match.domain.errors import ConfigurationError

OPTIMIZERS = ("sgd", "adam", "adamw", "adagrad")
FIRST = 0.05
"""Share of the full rate that a warm-up begins with."""


def optimizer(
    name: str, groups: Iterable[Mapping[str, Any]], *, rate: float, weight_decay: float, momentum: float
) -> Optimizer:
    """torch's optimizer `name` for parameter `groups`, which may bring their own "lr" and "weight_decay".

    `momentum` is SGD's (Nesterov's where above 0) and the decay of the first moment, beta 1, of Adam and AdamW; Adagrad
    has none. `weight_decay` is decoupled from the gradient in AdamW (Loshchilov & Hutter, ICLR 2019), an L2 penalty in
    the others. Raises ConfigurationError for a name not in OPTIMIZERS.
    """
    make: dict[str, Callable[[list[dict[str, Any]]], Optimizer]] = {
        "sgd": lambda given: SGD(given, rate, momentum, weight_decay=weight_decay, nesterov=momentum > 0),
        "adam": lambda given: Adam(given, rate, (momentum, 0.999), weight_decay=weight_decay),
        "adamw": lambda given: AdamW(given, rate, (momentum, 0.999), weight_decay=weight_decay),
        "adagrad": lambda given: Adagrad(given, rate, weight_decay=weight_decay),
    }
    if name not in make:
        raise ConfigurationError(f"unknown optimizer {name!r}; choose among {', '.join(OPTIMIZERS)}")
    return make[name]([dict(group) for group in groups])


def schedule(optimizer: Optimizer, steps: int, warmup_steps: int) -> LRScheduler:
    """A linear warm-up over the first `warmup_steps` of `steps`, then half a cosine down to nothing (Loshchilov &
    Hutter, SGDR, ICLR 2017).

    Each group keeps its own rate as its full one. Call `step()` after every optimizer step; it resumes through
    `state_dict`. Raises ConfigurationError unless 0 <= warmup_steps < steps.
    """
    if not 0 <= warmup_steps < steps:
        raise ConfigurationError(
            f"a warm-up of {warmup_steps} steps leaves none of {steps}; shorten it or train longer"
        )
    if not warmup_steps:
        return CosineAnnealingLR(optimizer, steps)
    warmup = LinearLR(optimizer, FIRST, total_iters=warmup_steps)
    return SequentialLR(optimizer, [warmup, CosineAnnealingLR(optimizer, steps - warmup_steps)], [warmup_steps])
