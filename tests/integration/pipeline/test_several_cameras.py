"""Two cameras over one shelf, one product on two shelves: rows are fused, overlapping views are never added up."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from .conftest import Shop
from .scenes import found, now, show


@pytest.fixture
def shop(empty_shop: Shop) -> Shop:
    """`high` sees rows 1 and 2 of `bay`, `low` its rows 2 and 3."""
    empty_shop.camera("high", 0, location="bay")
    empty_shop.camera("low", 0, location="bay", shelf_rows=[2, 3])
    empty_shop.policy(reorder_point=1, clear_point=3, target_level=9)
    return empty_shop


def test_the_row_both_see_is_counted_once_and_its_newest_view_stands(shop: Shop) -> None:
    show(shop, "AA", "BBA", minute=0, camera="high")
    show(shop, "BBA", "CA", minute=1, camera="low")
    assert (shop.levels(), now(shop, "bay")) == ({"A": 4, "B": 2, "C": 1}, ["AA", "BBA", "CA"])

    show(shop, "B.A", "CA", minute=2, camera="low")
    assert (shop.levels(), now(shop, "bay")) == ({"A": 4, "B": 1, "C": 1}, ["AA", "B.A", "CA"])
    show(shop, "A.", "BBA", minute=3, camera="high")
    assert (shop.levels(), now(shop, "bay")) == ({"A": 3, "B": 2, "C": 1}, ["A.", "BBA", "CA"])
    assert shop.one("select sum(facings)::int from inventory_match.stock_level where location = 'bay'") == 6


def test_what_only_the_other_camera_sees_is_left_alone(shop: Shop) -> None:
    show(shop, "A", "B", minute=0, camera="high")
    show(shop, "B", "C", minute=1, camera="low")
    show(shop, ".", "B", minute=2, camera="high")
    assert shop.levels() == {"A": 0, "B": 1, "C": 1}
    assert shop.effects("C") == ["moved"], "the upper camera says nothing of the lowest row"


def test_a_product_moved_into_the_row_of_the_other_camera_is_neither_lost_nor_doubled(shop: Shop) -> None:
    show(shop, "AB", "C.", minute=0, camera="high")
    show(shop, "C.", "D.", minute=1, camera="low")
    show(shop, ".B", "C.", minute=2, camera="high")
    show(shop, "C.", "DA", minute=3, camera="low")
    assert shop.levels() == {"A": 1, "B": 1, "C": 1, "D": 1}


def test_a_place_hidden_from_the_newest_camera_of_its_row_hides_the_product_from_the_other(shop: Shop) -> None:
    show(shop, "AA", "B", minute=0, camera="high")
    show(shop, "B", "AA", minute=1, camera="low")
    show(shop, "B", "A#", minute=2, camera="low")
    show(shop, "A.", "B", minute=3, camera="high")
    assert shop.levels() == {"A": 4, "B": 1}
    show(shop, "B", "AA", minute=4, camera="low")
    assert shop.levels() == {"A": 3, "B": 1}


def test_a_covered_camera_leaves_the_shared_row_to_the_other(shop: Shop) -> None:
    show(shop, "A", "BB", minute=0, camera="high")
    show(shop, "BB", "C", minute=1, camera="low")
    show(shop, "##", "C", minute=2, camera="low")
    assert (shop.levels(), now(shop, "bay")) == ({"A": 1, "B": 2, "C": 1}, ["A", "BB", "C"])
    show(shop, "A", "B.", minute=3, camera="high")
    assert (shop.levels(), now(shop, "bay")) == ({"A": 1, "B": 1, "C": 1}, ["A", "B.", "C"])


def test_a_late_view_counts_for_the_rows_it_is_the_newest_of_and_for_no_others(shop: Shop) -> None:
    show(shop, "A", "B", minute=0, camera="high")
    show(shop, "BB", "CA", minute=5, camera="low")
    show(shop, "AA", "B", minute=3, camera="high")
    assert (shop.levels(), now(shop, "bay")) == ({"A": 3, "B": 2, "C": 1}, ["AA", "BB", "CA"])
    show(shop, "AAA", "B", minute=2, camera="high")
    assert (shop.levels(), now(shop, "bay")) == ({"A": 3, "B": 2, "C": 1}, ["AA", "BB", "CA"])


def test_counts_of_both_cameras_confirm_each_other(shop: Shop) -> None:
    shop.policy(reorder_point=1, clear_point=3, target_level=9, confirmations=2)
    show(shop, "A", "BB", minute=0, camera="high")
    show(shop, "BB", "C", minute=1, camera="low")
    show(shop, "A", "B.", minute=2, camera="high")
    assert shop.levels()["B"] == 2
    show(shop, "B.", "C", minute=3, camera="low")
    assert shop.levels()["B"] == 1


def test_fixed_regions_and_found_facings_watch_one_shelf_together(shop: Shop) -> None:
    regions = [[box.x0, box.y0, box.x1, box.y1] for box in found(["AA", "AA"])]
    shop.camera("fixed", 0, location="end")
    shop.camera("drawn", 0, location="end", regions=regions, shelf_rows=[2, 3])
    show(shop, "A", "BB", minute=0, camera="fixed")
    show(shop, "BB", "C.", minute=1, camera="drawn")
    assert (shop.levels(), now(shop, "end")) == ({"A": 1, "B": 2, "C": 1}, ["A", "BB", "C."])
    show(shop, "B.", "CC", minute=2, camera="drawn")
    assert shop.levels() == {"A": 1, "B": 1, "C": 2}


def test_a_product_on_two_shelves_is_summed_in_the_store(shop: Shop) -> None:
    shop.camera("front", 0, location="entrance")
    show(shop, "AA", minute=0, camera="high")
    show(shop, "AAA", minute=1, camera="front")
    assert shop.one("select level from inventory_match.stock_on_hand where sku = 'A'") == 5
    show(shop, "...", minute=2, camera="front")
    assert shop.one("select level from inventory_match.stock_on_hand where sku = 'A'") == 2
    assert [row[0] for row in shop.told()] == []


def test_a_camera_that_was_taken_down_leaves_the_shelf_to_those_that_stay(shop: Shop) -> None:
    show(shop, "A", "B", minute=0, camera="high")
    show(shop, "B", "C", minute=1, camera="low")
    with shop.app.unit_of_work() as session:
        session.execute(text("update inventory_match.camera set active = false where camera = 'low'"))
    assert now(shop, "bay") == ["A", "B"]
    show(shop, "A", "BB", minute=2, camera="high")
    assert shop.levels()["B"] == 2
