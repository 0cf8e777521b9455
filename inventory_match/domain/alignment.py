"""Lays two sequences side by side at the least cost: facings of a row, and rows of a shelf.

Positions shift: one missing bottle moves all the others a place to the left, so comparing place by place would call a whole
row wrong. This is the alignment of Needleman and Wunsch, with costs of the caller's. (`difflib` knows only equal and unequal,
and an empty place is neither to a product that should be there.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")
Pair = tuple[int | None, int | None]
"""Places in the two sequences that lie side by side; None where one has nothing beside the other's."""


def align(
    left: Sequence[A],
    right: Sequence[B],
    together: Callable[[A, B], int],
    alone_left: Callable[[A], int],
    alone_right: Callable[[B], int],
) -> tuple[int, list[Pair]]:
    """The least cost, and the pairs in order. Where several ways cost the same, the first differences stay together."""
    rows, columns = len(left) + 1, len(right) + 1
    skip_left, skip_right = [alone_left(one) for one in left], [alone_right(one) for one in right]
    costs = [[0] * columns for _ in range(rows)]
    for i in range(rows - 2, -1, -1):
        costs[i][-1] = costs[i + 1][-1] + skip_left[i]
    for j in range(columns - 2, -1, -1):
        costs[-1][j] = costs[-1][j + 1] + skip_right[j]
    for i in range(rows - 2, -1, -1):
        here, below = costs[i], costs[i + 1]
        for j in range(columns - 2, -1, -1):
            side_by_side = below[j + 1] + together(left[i], right[j])
            here[j] = min(side_by_side, below[j] + skip_left[i], here[j + 1] + skip_right[j])
    return costs[0][0], _walk(left, right, together, costs, skip_left)


def _walk(
    left: Sequence[A],
    right: Sequence[B],
    together: Callable[[A, B], int],
    costs: Sequence[Sequence[int]],
    skip_left: Sequence[int],
) -> list[Pair]:
    pairs: list[Pair] = []
    i = j = 0
    while i < len(left) or j < len(right):
        if i < len(left) and j < len(right) and costs[i][j] == costs[i + 1][j + 1] + together(left[i], right[j]):
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif i < len(left) and costs[i][j] == costs[i + 1][j] + skip_left[i]:
            pairs.append((i, None))
            i += 1
        else:
            pairs.append((None, j))
            j += 1
    return pairs
