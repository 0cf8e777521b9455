"""Alternating rounds: every candidate once a round on the same input, so that what slows the machine slows them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter
from typing import TypeVar

Key = TypeVar("Key")


def alternate(
    candidates: Mapping[Key, Callable[[], object]], rounds: int, done: Callable[[int], None]
) -> dict[Key, list[float]]:
    """Seconds each candidate took in each of `rounds`, after one round that is not counted. `done(1)` after every run.

    Every other round goes backwards, so that none always follows the same neighbour.
    """
    seconds: dict[Key, list[float]] = {key: [] for key in candidates}
    for number in range(rounds + 1):
        order = list(candidates.items())
        for key, run in order if number % 2 else reversed(order):
            start = perf_counter()
            run()
            if number:
                seconds[key].append(perf_counter() - start)
            done(1)
    return seconds


def ratio(base: list[float], other: list[float]) -> float:
    """How many times faster `other` is: the median of the rounds' own ratios, in which the machine's mood cancels out."""
    return median(a / b for a, b in zip(base, other, strict=True))
