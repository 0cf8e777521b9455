"""What a camera remembers: found boxes meet places, nothing counts twice, and what was settled may be forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_match.domain.counting import Answer
from inventory_match.domain.ledger import Effect
from inventory_match.domain.photos import Box
from inventory_match.domain.places import EMPTY_FOR, Look, Place, either_or, meet, number, remember

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
WIDE = 0.1


def box(x: float, width: float = WIDE) -> Box:
    return Box(x, 0.2, x + width, 0.6)


def place(position: int, x: float, sku: str | None = "A", seen_at: datetime = AT) -> Place:
    return Place(position, box(x), sku, seen_at)


def answered(looks: Sequence[Look]) -> dict[int, str]:
    return {one.position: str(one.answer) for one in looks}


SHELF = [place(1, 0.1), place(2, 0.2), place(3, 0.3, "B")]


def test_each_box_meets_the_place_it_stands_in_whatever_the_order() -> None:
    assert meet([box(0.31), box(0.09), box(0.21), box(0.6)], SHELF) == [3, 1, 2, None]


@pytest.mark.parametrize("moved", [-0.02, 0.03, 0.049])
def test_a_pack_pushed_by_up_to_half_its_width_keeps_its_place(moved: float) -> None:
    assert meet([box(0.1 + moved)], [place(1, 0.1)]) == [1]


def test_a_place_is_taken_once_by_the_closest() -> None:
    assert meet([box(0.13), box(0.101)], [place(1, 0.1)]) == [None, 1]


def test_a_box_around_two_facings_is_no_facing_of_either() -> None:
    assert meet([box(0.1, 0.2)], SHELF) == [None]


@given(st.floats(-0.015, 0.015), st.permutations(range(6)))
def test_jitter_of_the_whole_photo_renumbers_nothing(jitter: float, order: list[int]) -> None:
    places = [place(i + 1, 0.1 * (i + 1)) for i in range(6)]
    assert meet([box(0.1 * (i + 1) + jitter) for i in order], places) == [i + 1 for i in order]


def remembered(position: int, x: float, answer: Answer, sku: str | None = None) -> Look:
    return Look(position, box(x), answer, sku, remembered=True)


def test_a_facing_that_was_missed_is_rescued_by_its_place() -> None:
    looks = [Look(1, box(0.1), Answer.PRODUCT, "A"), remembered(2, 0.2, Answer.PRODUCT, "A")]
    assert either_or(looks, SHELF) == looks


def test_two_facings_found_as_one_box_count_as_the_two_they_are() -> None:
    both = Look(-1, box(0.1, 0.2), Answer.PRODUCT, "A")
    each = [remembered(1, 0.1, Answer.PRODUCT, "A"), remembered(2, 0.2, Answer.PRODUCT, "A")]
    assert either_or([both, *each], SHELF) == each


def test_a_large_pack_put_where_two_small_ones_stood_counts_once() -> None:
    large = Look(-1, box(0.1, 0.2), Answer.PRODUCT, "C")
    parts = [remembered(1, 0.1, Answer.PRODUCT, "C"), remembered(2, 0.2, Answer.UNKNOWN)]
    assert answered(either_or([large, *parts], SHELF)) == {-1: "product", 1: "void", 2: "void"}


def test_a_bag_held_before_two_facings_hides_them_and_empties_none() -> None:
    bag = Look(-1, box(0.1, 0.2), Answer.UNKNOWN)
    parts = [remembered(1, 0.1, Answer.UNKNOWN), remembered(2, 0.2, Answer.UNKNOWN)]
    assert answered(either_or([bag, *parts], SHELF)) == {-1: "unknown", 1: "not_assessable", 2: "not_assessable"}


def test_a_pack_moved_over_half_of_another_place_is_not_counted_at_both() -> None:
    moved = Look(1, box(0.15), Answer.PRODUCT, "A")
    assert answered(either_or([moved, remembered(2, 0.2, Answer.PRODUCT, "A")], SHELF)) == {1: "product", 2: "void"}


def test_a_neighbour_that_overlaps_a_little_takes_no_place() -> None:
    near = Look(1, box(0.13), Answer.PRODUCT, "A")
    looks = [near, remembered(2, 0.2, Answer.PRODUCT, "A")]
    assert either_or(looks, SHELF) == looks


def test_new_boxes_get_numbers_that_were_never_given() -> None:
    looks = [
        Look(2, box(0.2), Answer.PRODUCT, "A"),
        Look(-1, box(0.5), Answer.UNKNOWN),
        Look(-2, box(0.7), Answer.UNKNOWN),
    ]
    assert number(looks, SHELF, SHELF, given=9) == [2, 10, 11]


def test_a_place_that_came_meanwhile_is_met_and_one_that_went_is_found_anew_or_left_out() -> None:
    now = [place(1, 0.1), place(7, 0.5)]
    looks = [
        Look(1, box(0.1), Answer.PRODUCT, "A"),
        Look(2, box(0.2), Answer.PRODUCT, "A"),
        remembered(3, 0.3, Answer.VOID),
        Look(-1, box(0.51), Answer.PRODUCT, "B"),
    ]
    assert number(looks, SHELF, now, given=7) == [1, 8, None, 7]


def kept(looks: Sequence[Look], effects: Mapping[str, Effect | None], at: datetime = AT) -> tuple[set[int], set[int]]:
    """Positions that are written, and that are forgotten."""
    memory = remember(looks, SHELF, effects, at)
    return set(memory.seen), set(memory.forgotten)


def test_a_place_follows_its_own_product_only() -> None:
    looks = [Look(1, box(0.11), Answer.PRODUCT, "A"), Look(3, box(0.32), Answer.PRODUCT, "A")]
    memory = remember(looks, SHELF, {"A": Effect.AWAITING, "B": Effect.AWAITING}, AT)
    assert memory.seen == {1: box(0.11)}


def test_an_empty_place_is_remembered_so_that_the_gap_stays_known() -> None:
    looks = [Look(1, box(0.1), Answer.PRODUCT, "A"), Look(2, box(0.2), Answer.VOID)]
    assert kept(looks, {"A": Effect.MOVED}) == ({1}, set())
    assert kept(looks, {"A": Effect.KEPT}, AT + EMPTY_FOR + timedelta(hours=1)) == ({1}, {2})


@pytest.mark.parametrize(
    ("effect", "goes"), [(Effect.MOVED, {2}), (Effect.KEPT, {2}), (Effect.AWAITING, set()), (None, set())]
)
def test_a_place_something_else_stands_over_goes_once_the_count_that_lost_it_is_settled(
    effect: Effect | None, goes: set[int]
) -> None:
    looks = [Look(8, box(0.15), Answer.PRODUCT, "C"), Look(2, box(0.2), Answer.VOID)]
    assert kept(looks, {"A": effect, "C": Effect.MOVED})[1] == goes


@pytest.mark.parametrize("answer", [Answer.UNKNOWN, Answer.NOT_ASSESSABLE])
def test_a_hidden_place_is_never_forgotten(answer: Answer) -> None:
    looks = [Look(8, box(0.15), Answer.PRODUCT, "C"), Look(2, box(0.2), answer)]
    assert kept(looks, {"A": Effect.MOVED, "C": Effect.MOVED}, AT + 2 * EMPTY_FOR)[1] == set()


def test_something_unknown_keeps_its_number_while_it_stands_or_is_covered_and_no_longer() -> None:
    nameless = [place(4, 0.5, None)]
    assert remember([Look(4, box(0.51), Answer.UNKNOWN)], nameless, {}, AT).seen == {4: box(0.51)}
    covered = remember([Look(4, box(0.5), Answer.NOT_ASSESSABLE)], nameless, {}, AT)
    assert (covered.seen, covered.forgotten) == ({}, ())
    assert remember([], nameless, {}, AT).forgotten == (4,)
