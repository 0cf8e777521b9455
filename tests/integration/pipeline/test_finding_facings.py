"""A camera without fixed regions: it finds facings, remembers places, and never takes what it cannot see for sold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inventory_match import pipeline
from inventory_match.db import models, photos
from inventory_match.domain.photos import Box, PhotoState

from .conftest import OPENS, Shop
from .scenes import found, hang, now, show, slot


@pytest.fixture
def shop(empty_shop: Shop) -> Shop:
    """One shelf whose camera finds facings by itself; everything is low at 1."""
    empty_shop.camera("cam", 0)
    empty_shop.policy(reorder_point=1, clear_point=3, target_level=6)
    return empty_shop


def places(shop: Shop) -> dict[int, str | None]:
    sql = (
        "select p.position, o.sku from inventory_match.place p"
        " left join inventory_match.region_owner o using (camera, position) order by 1"
    )
    return dict(shop.rows(sql))


def test_a_shelf_is_found_counted_and_reads_like_the_shelf(shop: Shop) -> None:
    shop.policy("A", depth=3)
    assert show(shop, "AAB", "CC.D", minute=0) is PhotoState.DONE

    assert now(shop) == ["AAB", "CCD"]
    assert shop.levels() == {"A": 6, "B": 1, "C": 2, "D": 1}
    assert shop.rows("select facings, depth, units from inventory_match.stock_event where sku = 'A'") == [(2, 3, 6)]
    [first] = shop.rows(
        "select store, location, place_in_row, name, camera, similarity > 0.9, photo_id from inventory_match.shelf_now"
        " where shelf_row = 1 limit 1"
    )
    assert first == ("s1", "cam", 1, "Product A", "cam", True, shop.kicks.photos[0])


def test_a_facing_taken_away_is_a_gap_and_a_lower_count_after_the_confirmations(shop: Shop) -> None:
    shop.policy(reorder_point=1, clear_point=3, target_level=6, confirmations=2)
    show(shop, "AAAB", minute=0)
    show(shop, "A.AB", minute=1)
    assert (shop.levels(), now(shop)) == ({"A": 3, "B": 1}, ["A.AB"])
    show(shop, "A.AB", minute=2)
    assert shop.levels() == {"A": 2, "B": 1}
    show(shop, "AAAB", minute=3)
    show(shop, "AAAB", minute=4)
    assert (shop.levels(), list(places(shop))) == ({"A": 3, "B": 1}, [1, 2, 3, 4])


def test_the_last_one_sold_is_a_count_of_zero_that_stays_fresh(shop: Shop) -> None:
    show(shop, "AB", minute=0)
    show(shop, ".B", minute=1)
    show(shop, ".B", minute=2)
    assert (shop.levels(), shop.effects("A")) == ({"A": 0, "B": 1}, ["moved", "moved", "kept"])
    assert ("stock.out", "A") in shop.told()


def test_a_facing_the_network_missed_is_counted_at_its_place(shop: Shop) -> None:
    show(shop, "AAB", minute=0)
    show(shop, "AaB", minute=1)
    assert (shop.levels(), now(shop)) == ({"A": 2, "B": 1}, ["AAB"])


def test_whoever_stands_before_three_facings_empties_none(shop: Shop) -> None:
    show(shop, "AABCC", minute=0)
    before = shop.levels()
    state = show(shop, "A###C", minute=1)
    assert (state, shop.levels(), now(shop)) == (PhotoState.DONE, before, ["A###C"])
    assert show(shop, "#####", minute=2) is PhotoState.NEEDS_REVIEW
    assert (shop.levels(), now(shop)) == (before, ["A###C"])
    assert len(places(shop)) == 5


def test_a_covered_photo_says_nothing_of_a_shelf_without_any_places_yet(shop: Shop) -> None:
    shop.add_level("A", 3)
    assert show(shop, "######", "######", minute=0, boxes=[]) in (PhotoState.NEEDS_REVIEW, PhotoState.EMPTY)
    assert show(shop, "......", minute=1) is PhotoState.EMPTY
    assert shop.levels() == {"A": 3}


def test_one_more_facing_counts_and_gets_a_number_of_its_own(shop: Shop) -> None:
    show(shop, "AA", minute=0)
    show(shop, "AAA", minute=1)
    assert shop.levels() == {"A": 3}
    assert places(shop) == {1: "A", 2: "A", 3: "A"}


def test_a_product_replaced_by_another_changes_owner_and_both_counts(shop: Shop) -> None:
    show(shop, "AAB", minute=0)
    show(shop, "ACB", minute=1)
    assert (shop.levels(), places(shop)) == ({"A": 1, "B": 1, "C": 1}, {1: "A", 2: "C", 3: "B"})


def test_a_camera_that_trembles_keeps_places_and_counts(shop: Shop) -> None:
    for minute, shift in enumerate([0, 3, -4, 6, 10, 14]):
        show(shop, "AAB", "C.D", minute=minute, shift=shift)
    assert (shop.levels(), now(shop)) == ({"A": 2, "B": 1, "C": 1, "D": 1}, ["AAB", "CD"])
    assert list(places(shop)) == [1, 2, 3, 4, 5]
    assert {one for sku in "ABCD" for one in shop.effects(sku)[1:]} == {"kept"}


def test_a_pack_pushed_over_half_of_its_neighbours_place_counts_once(shop: Shop) -> None:
    show(shop, "AA", minute=0)
    show(shop, ".A", minute=1, boxes=[slot(0, 0.6, 1)])
    assert shop.levels() == {"A": 1}
    show(shop, ".A", minute=2, boxes=[slot(0, 1, 1)])
    assert shop.levels() == {"A": 1}


def test_two_equal_facings_found_as_one_box_are_still_two(shop: Shop) -> None:
    show(shop, "AAB", minute=0)
    show(shop, "AAB", minute=1, boxes=[slot(0, 0, 1, width=2), slot(0, 2, 1)])
    assert (shop.levels(), now(shop)) == ({"A": 2, "B": 1}, ["AAB"])


def test_something_unknown_is_asked_about_once_while_it_stands_there_and_not_after_it_went(shop: Shop) -> None:
    asked = "select position, photo_id from inventory_match.review_queue"
    for minute in range(3):
        show(shop, "A?", minute=minute, shift=2 * minute)
    assert shop.rows(asked) == [(2, shop.kicks.photos[-1])]
    assert places(shop) == {1: "A", 2: None}
    show(shop, "A.", minute=3)
    assert (shop.rows(asked), places(shop)) == ([], {1: "A"})
    show(shop, "A?", minute=4)
    assert shop.rows(asked) == [(3, shop.kicks.photos[-1])], "a number is never given again: an answer may name it"


def test_an_unknown_pack_in_a_products_place_keeps_it_from_being_counted(shop: Shop) -> None:
    show(shop, "AA", minute=0)
    show(shop, "A?", minute=1)
    assert (shop.levels(), places(shop)) == ({"A": 2}, {1: "A", 2: "A"})


def test_a_product_whose_old_region_is_no_place_may_be_behind_whatever_is_covered(shop: Shop) -> None:
    """As where the camera had the whole photo as its one region before it found facings by itself."""
    show(shop, "BC", minute=0)
    shop.add_level("A", 3)
    shop.add(models.RegionOwner(camera="cam", position=0, sku="A", confirmed_at=OPENS))
    show(shop, "B#", minute=1)
    assert shop.levels() == {"A": 3, "B": 1, "C": 1}
    show(shop, "BC", minute=2)
    assert shop.levels() == {"A": 0, "B": 1, "C": 1}


def test_the_same_photo_again_changes_nothing(shop: Shop) -> None:
    show(shop, "AAB", "C", minute=0)
    [photo_id] = shop.kicks.photos

    def everything() -> tuple[object, ...]:
        return (
            shop.levels(),
            shop.told(),
            now(shop),
            places(shop),
            shop.one("select count(*) from inventory_match.stock_event"),
        )

    before = everything()
    with shop.app.unit_of_work() as session:
        assert photos.redrive(session, [photo_id]) == [photo_id]
    assert shop.process(photo_id, store=shop.drawings) is PhotoState.DONE
    assert everything() == before


def test_a_late_photo_moves_neither_levels_nor_places_nor_the_shelf(shop: Shop) -> None:
    show(shop, "AAB", minute=5)
    before = shop.levels(), places(shop), now(shop)
    for minute, shown in enumerate(["A.BCC?", "......"]):
        show(shop, shown, minute=minute)
        assert (shop.levels(), places(shop), now(shop)) == before


def test_two_photos_looked_at_side_by_side_share_their_new_places(shop: Shop) -> None:
    show(shop, "A", minute=0)
    ids = [hang(shop, "AB", minute=1), hang(shop, "AB", minute=2)]
    eyes = replace(shop.eyes, store=shop.drawings)
    seen = []
    for photo_id in ids:
        with shop.app.unit_of_work() as session:
            claimed = photos.claim(session, photo_id, shop.patience.lease, 3)
        assert claimed is not None
        seen.append(pipeline.see(claimed, eyes))
    for one in seen:
        with shop.app.unit_of_work() as session:
            assert pipeline.settle(session, one, shop.rules, one.captured.at) is PhotoState.DONE
    assert (shop.levels(), places(shop)) == ({"A": 1, "B": 1}, {1: "A", 2: "B"})


def test_a_place_that_came_while_a_photo_was_looked_at_is_hidden_on_it_and_not_empty(shop: Shop) -> None:
    show(shop, "A", minute=0)
    late = hang(shop, "A.", minute=2)
    with shop.app.unit_of_work() as session:
        claimed = photos.claim(session, late, shop.patience.lease, 3)
    assert claimed is not None
    seen = pipeline.see(claimed, replace(shop.eyes, store=shop.drawings))
    show(shop, "AB", minute=1)
    with shop.app.unit_of_work() as session:
        pipeline.settle(session, seen, shop.rules, seen.captured.at)
    assert (shop.levels(), now(shop)) == ({"A": 1, "B": 1}, ["A#"])


def test_a_price_tag_taken_for_something_unknown_makes_no_row(shop: Shop) -> None:
    rows = ["AA", "?", "BB"]
    tall = slot(1, 0, 3)
    flat = Box(tall.x0, tall.y0, tall.x1, tall.y0 + (tall.y1 - tall.y0) / 3)
    show(shop, *rows, minute=0, boxes=[one for one in found(rows) if one != tall] + [flat])
    assert [sorted(row) for row in now(shop)] == [["?", "A", "A"], ["B", "B"]]


def test_rows_are_kept_however_few_stand_in_them(shop: Shop) -> None:
    show(shop, "AA", "BB", "CC", minute=0)
    show(shop, "AA", "..", "C.", minute=1)
    assert now(shop) == ["AA", "..", "C."]
    assert len(found(["AA", "BB", "CC"])) == 6
