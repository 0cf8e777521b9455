"""What speeds and recalls are made of: alternating rounds, shares by hand, and drawn vectors that lie as they say."""

from __future__ import annotations

import numpy as np
import pytest

from inventory_match.learning.bench.rounds import alternate, ratio
from inventory_match.learning.bench.search import (
    PRODUCTS_PER_CATEGORY,
    WITHIN_CATEGORY,
    WITHIN_PRODUCT,
    drawn_centres,
    drawn_pictures,
    recalls,
)


def test_rounds_alternate_and_the_first_is_not_counted() -> None:
    order: list[str] = []
    done: list[int] = []
    seconds = alternate({name: lambda name=name: order.append(name) for name in "abc"}, 2, done.append)  # type: ignore[misc] # mypy infers no lambda with defaults
    assert "".join(order) == "cbaabccba"
    assert {name: len(rounds) for name, rounds in seconds.items()} == {"a": 2, "b": 2, "c": 2}
    assert sum(done) == 9


def test_a_ratio_is_of_rounds_not_of_totals() -> None:
    """The machine was ten times slower in the last round: it must not count ten times."""
    assert ratio([2.0, 2.0, 20.0], [1.0, 1.0, 10.0]) == 2.0
    assert ratio([2.0, 4.0, 9.0], [1.0, 1.0, 1.0]) == 4.0


def test_recalls_by_hand() -> None:
    wanted = [["a", "b"], ["c", "d"], ["e", "f"], ["g", "h"]]
    found = [["a", "b"], ["d", "c"], ["e", "x"], []]
    assert recalls(wanted, found) == pytest.approx((0.5, (1 + 1 + 0.5 + 0) / 4))
    assert recalls(wanted, wanted) == (1.0, 1.0)


def test_drawn_vectors_lie_as_they_say() -> None:
    centres = drawn_centres(2 * PRODUCTS_PER_CATEGORY, 256, seed=1)
    every = np.arange(len(centres))
    one, other = drawn_pictures(centres, every, seed=2), drawn_pictures(centres, every, seed=3)
    assert np.linalg.norm(one, axis=1) == pytest.approx(1, abs=1e-5)
    similar = one @ other.T
    same_category = np.equal.outer(every // PRODUCTS_PER_CATEGORY, every // PRODUCTS_PER_CATEGORY)
    same = np.eye(len(centres), dtype=bool)
    assert similar[same].mean() == pytest.approx(WITHIN_PRODUCT, abs=0.03)
    assert similar[same_category & ~same].mean() == pytest.approx(WITHIN_CATEGORY, abs=0.05)
    assert similar[~same_category].mean() == pytest.approx(0, abs=0.1)
