"""When the references speak against an answer."""

from __future__ import annotations

import pytest

from inventory_match.domain.matching import Candidate, Thresholds
from inventory_match.domain.review import contradiction

RULES = Thresholds(accept=0.7, margin=0.05)


@pytest.mark.parametrize(
    ("nearest", "own", "against"),
    [
        ([("tea", 0.9), ("jam", 0.8)], 0.9, None),
        ([("jam", 0.9), ("tea", 0.8)], 0.8, "jam"),  # the catalog would decide for jam
        ([("jam", 0.9), ("tea", 0.87)], 0.87, None),  # a close call is what people are asked for
        ([("jam", 0.6), ("rice", 0.5)], 0.4, None),  # unknown, and hardly nearer to jam
        ([("jam", 0.6), ("rice", 0.5)], 0.2, "jam"),  # unknown, and much nearer to jam
        ([("jam", 0.6), ("rice", 0.5)], None, None),  # a new product that looks like none
        ([("jam", 0.9), ("rice", 0.5)], None, "jam"),  # a new product that is jam
        ([], None, None),
    ],
)
def test_contradiction(nearest: list[tuple[str, float]], own: float | None, against: str | None) -> None:
    found = contradiction("tea", [Candidate(*one) for one in nearest], own, RULES)
    assert (found and found.sku) == against
