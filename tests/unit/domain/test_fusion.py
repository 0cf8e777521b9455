"""Several cameras at one location: newest assessable view per row, never a sum of views that overlap."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from inventory_match.domain.counting import Answer, RegionSeen, count
from inventory_match.domain.fusion import RowView, fuse, homeless_to_judge

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
ANSWERS = {".": Answer.VOID, "?": Answer.UNKNOWN, "#": Answer.NOT_ASSESSABLE}


def view(row: int, camera: str, minute: float, shown: str, belongs: str = "") -> RowView:
    """`shown`: a letter a region; `belongs`: its owner, by default what it shows."""
    seen = tuple(
        RegionSeen(i, ANSWERS[one]) if one in ANSWERS else RegionSeen(i, Answer.PRODUCT, one)
        for i, one in enumerate(shown)
    )
    owners = {i: sku for i, sku in enumerate(belongs or shown) if sku not in ANSWERS}
    return RowView(row, camera, START + timedelta(minutes=minute), seen, owners)


def counted(
    own: list[RowView], others: list[RowView], believed: Mapping[str, int] | None = None
) -> dict[str, int | None]:
    fused = fuse(own, others)
    return {one.sku: one.facings for one in count(fused.seen, fused.belongs, believed or {}) if one.sku in fused.about}


def test_a_row_both_cameras_see_is_counted_once_and_the_newest_view_wins() -> None:
    others = [view(1, "top", 0, "AAA"), view(2, "top", 0, "BB")]
    assert counted([view(2, "low", 1, "B."), view(3, "low", 1, "A")], others) == {"A": 4, "B": 1}


def test_an_older_photo_takes_no_row_from_a_newer_one() -> None:
    assert counted([view(1, "low", 0, "A"), view(2, "low", 0, "C")], [view(1, "top", 1, "AAA")]) == {"C": 1}


def test_a_covered_row_keeps_its_older_view_and_is_told_nothing_about() -> None:
    assert counted([view(1, "low", 1, "##", "AA"), view(2, "low", 1, "C")], [view(1, "top", 0, "AA")]) == {"C": 1}


def test_a_covered_row_nobody_else_sees_hides_its_products() -> None:
    assert counted([view(1, "low", 1, "#", "A"), view(2, "low", 1, "A")], [view(3, "top", 0, "C")]) == {"A": None}


def test_a_hidden_place_of_another_cameras_row_hides_the_product_here_too() -> None:
    assert counted([view(1, "low", 1, "A.")], [view(2, "top", 0, "A?", "AA")]) == {"A": None}


def test_what_a_displaced_view_showed_and_the_new_one_does_not_is_gone() -> None:
    assert counted([view(1, "low", 1, "B")], [view(1, "top", 0, "A")], {"A": 1}) == {"A": 0, "B": 1}


def test_a_count_is_as_new_as_the_newest_view_it_rests_on() -> None:
    fused = fuse([view(1, "low", 1, "AB")], [view(2, "top", 5, "A")])
    assert fused.about == {"A": START + timedelta(minutes=5), "B": START + timedelta(minutes=1)}


def test_two_views_of_one_moment_are_decided_by_the_cameras_names_not_by_who_came_first() -> None:
    a, b = view(1, "a", 0, "AA"), view(1, "b", 0, "A")
    assert counted([a], [b]) == {}
    assert counted([b], [a]) == {"A": 1}


def test_only_the_camera_that_counted_a_product_without_a_region_says_that_it_is_gone() -> None:
    believed = {"A": "low", "B": "top", "C": "low"}
    assert homeless_to_judge(believed, {"C"}, "low") == {"A"}


ROW = st.text("ABC.?#", min_size=1, max_size=4)


@given(st.lists(ROW, min_size=1, max_size=3), st.lists(ROW, min_size=1, max_size=3), st.booleans())
def test_fusing_never_counts_more_than_one_view_of_each_row(top: list[str], low: list[str], newer: bool) -> None:
    own = [view(row, "low", 1 if newer else -1, shown) for row, shown in enumerate(low, 2)]
    others = [view(row, "top", 0, shown) for row, shown in enumerate(top, 1) if set(shown) != {"#"}]

    for sku, facings in counted(own, others).items():
        most = sum(
            max(sum(one.sku == sku for one in each.seen) for each in [*own, *others] if each.row == row)
            for row in {each.row for each in [*own, *others]}
        )
        assert facings is None or facings <= most
