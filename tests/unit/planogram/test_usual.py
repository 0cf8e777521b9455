"""What a plan expects, and what is usual where there is none."""

from __future__ import annotations

from inventory_match.domain.planogram import (
    MOST_FACINGS,
    MOST_ROWS,
    Expected,
    Looked,
    Planogram,
    Slot,
    expected,
    named,
    plan_problems,
    usual,
)


def looks(position: int, place: int, skus: str, row: int = 1) -> list[Looked]:
    """Looks at one place, newest first."""
    return [Looked(position, row, place, sku) for sku in skus]


def test_a_slot_of_three_facings_is_expected_three_times_side_by_side() -> None:
    plan = Planogram("p", (Slot(1, 2, "B"), Slot(1, 1, "A", 3), Slot(2, 1, "C")))

    assert [(one.row, one.place, one.sku) for one in expected(plan)] == [
        (1, 1, "A"), (1, 2, "A"), (1, 3, "A"), (1, 4, "B"), (2, 1, "C"),
    ]  # fmt: skip
    assert (plan.rows, plan.facings) == (2, 5)


def test_the_usual_product_of_a_place_is_what_more_than_half_of_its_looks_show() -> None:
    history = looks(7, 1, "AAB") + looks(9, 2, "BBBB") + looks(3, 1, "CCCAA", row=2)

    assert usual(history) == (
        Expected(1, 1, "A", 2, 3), Expected(1, 2, "B", 4, 4), Expected(2, 1, "C", 3, 5),
    )  # fmt: skip


def test_what_changes_all_the_time_or_was_hardly_looked_at_is_not_usual() -> None:
    history = looks(1, 1, "ABAB") + looks(2, 2, "AA") + looks(3, 3, "CCC")

    assert usual(history) == (Expected(1, 1, "C", 3, 3),), "and the places beside it close up"


def test_the_newest_look_says_where_a_place_is() -> None:
    history = [Looked(1, 2, 5, "A"), Looked(1, 1, 1, "A"), Looked(1, 1, 1, "A")]

    assert usual(history) == (Expected(2, 1, "A", 3, 3),)


def test_a_plan_may_name_products_by_their_gtin() -> None:
    gtins = {"04006381333931": "pen"}
    assert named("pen", {"pen"}, gtins) == "pen"
    assert named("4006381333931", {"pen"}, gtins) == "pen"
    assert named("123", {"pen", "123"}, gtins) == "123"
    assert named("pencil", {"pen"}, gtins) is None


def test_a_plan_without_products_and_one_beyond_all_measure_are_told() -> None:
    assert [one.problem for one in plan_problems([])] == ["no product is planned"]
    rows = [(Slot(row, 1, "A"), ("rows", row - 1)) for row in range(1, MOST_ROWS + 3)]
    assert [one.key for one in plan_problems(rows)] == [("rows", MOST_ROWS), ("rows", MOST_ROWS + 1)]
    wide = [(Slot(1, place, "A", 90), ("rows", 0, place)) for place in (1, 2, 3, 4)]
    assert [one.problem for one in plan_problems(wide)] == [f"row 1 has more than {MOST_FACINGS} facings"]
