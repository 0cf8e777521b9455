"""Optimizers by name and the course of their rates. That each of them teaches is in `test_losses.py`."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch.optim import Optimizer

from inventory_match.domain.errors import ConfigurationError
from inventory_match.learning.optimizers import FIRST, OPTIMIZERS, optimizer, schedule

STEPS, WARMUP = 20, 5


def made(name: str, weight_decay: float = 0.1) -> Optimizer:
    torch.manual_seed(0)
    parts = [torch.nn.Parameter(torch.ones(3)) for _ in range(2)]
    groups: list[dict[str, Any]] = [{"params": [parts[0]]}, {"params": [parts[1]], "lr": 0.5, "weight_decay": 0.0}]
    return optimizer(name, groups, rate=1.0, weight_decay=weight_decay, momentum=0.9)


def step(chosen: Optimizer) -> None:
    """Down the slope of a sum of squares."""
    for group in chosen.param_groups:
        for part in group["params"]:
            part.grad = 2 * part.detach()
    chosen.step()


def test_groups_keep_what_they_bring() -> None:
    for name in OPTIMIZERS:
        first, second = made(name).param_groups
        assert (first["lr"], first["weight_decay"]) == (1.0, 0.1)
        assert (second["lr"], second["weight_decay"]) == (0.5, 0.0)
    with pytest.raises(ConfigurationError, match="sgd, adam, adamw, adagrad"):
        made("lion")


def test_the_rate_rises_in_a_line_and_falls_in_a_cosine() -> None:
    chosen = made("sgd")
    course = schedule(chosen, STEPS, WARMUP)
    rates = []
    for _ in range(STEPS):
        rates.append([group["lr"] for group in chosen.param_groups])
        step(chosen)
        course.step()
    first, second = zip(*rates, strict=True)
    assert second == pytest.approx([rate / 2 for rate in first])
    assert first[0] == pytest.approx(FIRST)
    assert first[WARMUP] == 1.0
    rising = [after - before for before, after in pairwise(first[: WARMUP + 1])]
    assert rising == pytest.approx([(1 - FIRST) / WARMUP] * WARMUP)
    assert first[WARMUP + 5] == pytest.approx(0.75)
    assert first[-1] < 0.02
    assert chosen.param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("warmup", [0, WARMUP])
@pytest.mark.parametrize("interrupted", [3, 12])
def test_a_resumed_course_is_the_same_course(name: str, warmup: int, interrupted: int) -> None:
    def run(chosen: Optimizer, steps: int) -> None:
        for _ in range(steps):
            step(chosen)
            course.step()

    whole = made(name)
    course = schedule(whole, STEPS, warmup)
    run(whole, STEPS)
    cut = made(name)
    course = schedule(cut, STEPS, warmup)
    run(cut, interrupted)
    kept = [part.detach().clone() for group in cut.param_groups for part in group["params"]]
    states = cut.state_dict(), course.state_dict()
    again = made(name)
    for part, value in zip((p for group in again.param_groups for p in group["params"]), kept, strict=True):
        part.data.copy_(value)
    course = schedule(again, STEPS, warmup)
    course.load_state_dict(states[1])
    again.load_state_dict(states[0])
    run(again, STEPS - interrupted)
    for one, other in zip(whole.param_groups, again.param_groups, strict=True):
        assert torch.equal(one["params"][0], other["params"][0])


def test_a_warm_up_leaves_something_to_train() -> None:
    with pytest.raises(ConfigurationError, match="shorten it or train longer"):
        schedule(made("sgd"), 10, 10)
