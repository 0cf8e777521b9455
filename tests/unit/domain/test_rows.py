"""Rows and places from boxes: tilted boards, perspective, tall beside short, stacks, gaps."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_match.domain.photos import Box
from inventory_match.domain.rows import Standing, arrange

BOARDS = (0.28, 0.55, 0.86)


def board(at: float, heights: list[float], width: float = 0.08, gap: float = 0.01, left: float = 0.05) -> list[Box]:
    """Packs of these heights side by side on the board at height `at`; 0 leaves a gap."""
    return [
        Box(left + i * (width + gap), at - height, left + i * (width + gap) + width, at)
        for i, height in enumerate(heights)
        if height
    ]


def bent(boxes: list[Box], drop: Callable[[float, float], float]) -> list[Box]:
    """Each box moved down by `drop(x, y)` of the middle of its lower edge."""
    return [Box(b.x0, b.y0 + d, b.x1, b.y1 + d) for b in boxes for d in [drop((b.x0 + b.x1) / 2, b.y1)]]


def standing(boxes: list[Box]) -> list[tuple[int, int]]:
    return [(one.row, one.place) for one in arrange(boxes)]


def test_no_boxes_are_no_rows() -> None:
    assert arrange([]) == []


def test_tall_and_short_packs_of_one_board_are_one_row() -> None:
    boxes = board(0.4, [0.3, 0.08, 0.2]) + board(0.8, [0.1, 0.3])
    assert standing(boxes) == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]


def test_a_gap_takes_no_place_and_breaks_no_row() -> None:
    boxes = board(0.4, [0.2, 0, 0, 0, 0, 0, 0, 0.2]) + board(0.8, [0.2] * 3)
    assert standing(boxes) == [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3)]


@pytest.mark.parametrize("fall", [-0.2, 0.1, 0.2])
def test_boards_that_slope_by_more_than_their_distance_over_the_photo_are_still_rows(fall: float) -> None:
    shelf = [box for at in (0.3, 0.45, 0.6) for box in board(at, [0.1] * 9)]
    assert standing(bent(shelf, lambda x, _: fall * (x - 0.5))) == [
        (row, place) for row in (1, 2, 3) for place in range(1, 10)
    ]


def test_boards_that_run_together_to_one_side_are_still_rows() -> None:
    """As in a photo taken from the left: what is farther away is smaller, and nearer to the middle of the picture."""
    shelf = [
        box for at in (0.2, 0.35, 0.5, 0.65, 0.8) for box in board(at, [0.12, 0.08, 0.12, 0.1, 0.12, 0.12, 0.09, 0.12])
    ]
    seen = [
        Box(box.x0, 0.5 + (box.y0 - 0.5) * nearer, box.x1, 0.5 + (box.y1 - 0.5) * nearer)
        for box in shelf
        for nearer in [1.15 - 0.75 * (box.x0 + box.x1) / 2]
    ]
    assert standing(seen) == [(row, place) for row in range(1, 6) for place in range(1, 9)]


def test_a_stack_beside_a_taller_pack_is_one_row_and_two_places() -> None:
    lower, tall, last = Box(0.1, 0.7, 0.2, 0.8), Box(0.22, 0.58, 0.32, 0.8), Box(0.34, 0.6, 0.44, 0.8)
    upper = Box(0.11, 0.6, 0.2, 0.695)
    assert standing([tall, upper, last, lower]) == [(1, 3), (1, 2), (1, 4), (1, 1)]


def test_one_stack_among_many_packs_does_not_shift_the_rows_below() -> None:
    upper_board, lower_board = board(0.4, [0.1, 0.25, 0.25]), board(0.8, [0.25] * 3)
    stacked = Box(0.05, 0.2, 0.13, 0.298)
    assert standing([*upper_board, stacked, *lower_board]) == [
        (1, 1), (1, 3), (1, 4), (1, 2), (2, 1), (2, 2), (2, 3),
    ]  # fmt: skip


def test_rows_whose_boxes_touch_stay_two_where_nothing_reaches_from_one_into_the_other() -> None:
    """Fixed regions are often drawn edge to edge; so are shelves of nothing but stacks."""
    grid = [Box(x, y, x + 0.25, y + 0.25) for y in (0.0, 0.25, 0.5) for x in (0.0, 0.25, 0.5, 0.75)]
    assert standing(grid) == [(row, place) for row in (1, 2, 3) for place in (1, 2, 3, 4)]


def test_what_may_be_a_price_tag_makes_no_row_and_shifts_none() -> None:
    tag = Box(0.07, 0.41, 0.11, 0.44)
    boxes = [*board(0.4, [0.2] * 3), tag, *board(0.8, [0.2] * 3)]
    assert max(one.row for one in arrange(boxes)) == 3
    assert [one.row for one in arrange(boxes, loose={3})] == [1, 1, 1, 1, 2, 2, 2]
    assert [(one.row, one.place) for one in arrange([tag], loose={0})] == [(1, 1)]


@given(st.integers(0, 10_000), st.floats(-0.15, 0.15))
def test_rows_survive_jitter_slope_and_any_order(seed: int, fall: float) -> None:
    draw = random.Random(seed)
    shelf = [(box, row) for row, at in enumerate(BOARDS, 1) for box in board(at, [draw.uniform(0.1, 0.2)] * 9)]
    moved = bent([box for box, _ in shelf], lambda x, _: fall * (x - 0.5) + draw.uniform(-0.006, 0.006))
    order = list(range(len(shelf)))
    draw.shuffle(order)

    found = arrange([moved[i] for i in order])
    assert [found[order.index(i)] for i in range(len(shelf))] == [
        Standing(row, i % 9 + 1) for i, (_, row) in enumerate(shelf)
    ]
