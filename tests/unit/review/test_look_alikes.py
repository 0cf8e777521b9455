"""Stars do not chain, the most different cover a group, similarities are those of SQL."""

from __future__ import annotations

import time

import numpy as np
import pytest

from inventory_match.look_alikes import most_different, pairwise, stars


def turned(*degrees: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Unit vectors in the plane, shape (n, 2)."""
    angles = np.radians(np.array(degrees))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_a_group_is_what_is_near_its_centre_and_never_a_chain() -> None:
    similar = pairwise(turned(0, 10, 20, 30, 40, 120), "cosine")
    found = stars(similar, float(np.cos(np.radians(11))))
    assert found == [[1, 0, 2], [3, 4], [5]], "a chain would join all five that differ by 10 degrees"
    assert stars(similar, 0.9999) == [[0], [1], [2], [3], [4], [5]]
    assert stars(np.zeros((0, 0), np.float32), 0.5) == []


def test_as_many_as_are_compared_and_none_alike_cost_a_moment() -> None:
    begun = time.process_time()
    assert len(stars(np.eye(2000, dtype=np.float32), 0.5)) == 2000
    assert time.process_time() - begun < 5, "counting neighbours anew for each group takes many times that"


def test_the_most_different_begin_with_the_centre_and_spread() -> None:
    similar = pairwise(turned(0, 1, 2, 40, 41, -30), "cosine")
    assert most_different(similar, 3) == [0, 4, 5]
    assert sorted(most_different(similar, 9)) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(("metric", "expected"), [("cosine", 0.0), ("euclidean", 1 / 6)])
def test_similarity_is_what_the_database_says(metric: str, expected: float) -> None:
    similar = pairwise(np.array([[3, 0], [0, 4]], np.float32), metric)
    assert similar[0, 1] == pytest.approx(expected)
    assert similar[0, 0] == pytest.approx(1.0)
