"""From photos in the bucket to levels, alerts and a reorder: each thing told once, and nothing told that is not so."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from inventory_match import intake
from inventory_match.db import photos
from inventory_match.domain.matching import Candidate, Evidence, Thresholds, decide
from inventory_match.domain.photos import PhotoState

from .conftest import OPENS, ColourEncoder, Shop, pack


def test_a_photo_becomes_levels_and_can_be_explained(shop: Shop) -> None:
    assert shop.see("A", "A", "B", "?", minute=0) is PhotoState.DONE

    assert shop.levels() == {"A": 2, "B": 1}
    assert shop.one("select captured_at from inventory_match.photo") == OPENS
    rows = shop.rows("select answer, sku, candidates, thresholds from inventory_match.sighting order by position")
    assert [(answer, sku) for answer, sku, _, _ in rows] == [
        ("product", "A"), ("product", "A"), ("product", "B"), ("unknown", None),
    ]  # fmt: skip
    for _, sku, candidates, thresholds in rows:
        evidence = Evidence(tuple(Candidate(one["sku"], one["similarity"]) for one in candidates))
        assert decide(evidence, Thresholds.from_mapping(thresholds)).sku == sku


def test_the_same_event_again_changes_nothing(shop: Shop) -> None:
    shop.upload("A", "A", "A", "B", minute=0)
    messages = shop.queue.receive()
    for _ in range(3):
        taken = intake.take_messages(messages, shop.app.unit_of_work, shop.kicks, shop.app.settings.buckets)
    assert (taken.registered, taken.known) == ([], 1)
    [photo_id] = shop.kicks.photos

    assert [shop.process(photo_id) for _ in range(3)] == [PhotoState.DONE, None, None]
    assert shop.one("select count(*) from inventory_match.stock_event") == 2
    assert shop.one("select count(*) from inventory_match.sighting") == 4


def test_a_redriven_photo_is_seen_anew_and_counted_once(shop: Shop) -> None:
    shop.see("A", "A", "A", "B", minute=0)
    [photo_id] = shop.kicks.photos
    before, told = shop.levels(), shop.told()
    with shop.app.unit_of_work() as session:
        assert photos.redrive(session, [photo_id]) == [photo_id]

    assert shop.process(photo_id) is PhotoState.DONE
    assert (shop.levels(), shop.told()) == (before, told)
    assert shop.one("select count(*) from inventory_match.sighting") == 4


def test_sold_one_by_one_it_is_low_then_out_then_recovered_and_ordered_once(shop: Shop) -> None:
    for minute, shelf in enumerate(["AAAA", "AAA.", "AA..", "A...", "....", "AAAA"]):
        shop.see(*shelf, minute=minute)

    assert shop.told() == [("reorder.opened", "A"), ("stock.low", "A"), ("stock.out", "A"), ("stock.recovered", "A")]
    assert shop.rows("select sku, state, units, level from inventory_match.reorder") == [("A", "opened", 6, 1)]
    assert shop.effects("A") == ["moved"] * 6


def test_an_alert_carries_its_evidence(shop: Shop) -> None:
    shop.see("A", "A", "B", "B", minute=0)
    shop.see("A", ".", "B", "B", minute=1)

    data = shop.one("select data from inventory_match.message where type = 'stock.low'")
    photo = data["evidence"]["photo"]
    assert photo["id"] == shop.kicks.photos[-1]
    assert photo["key"].startswith(shop.prefix)
    assert [(one["position"], one["answer"]) for one in data["evidence"]["sightings"]] == [(0, "product"), (1, "void")]
    assert data["evidence"]["sightings"][0]["similarity"] > 0.9
    assert data["evidence"]["encoder"]["sha256"] == ColourEncoder.sha256
    assert (data["level"], data["rule"]) == (1, "level 1 <= reorder point 1")
    assert [one["sku"] for one in data["substitutes"]] == ["B"], "only what is in stock in the store"
    assert data["reorder_id"] == shop.one("select id from inventory_match.reorder")


def test_a_level_that_swings_for_a_hundred_photos_is_one_alert(shop: Shop) -> None:
    shop.process(shop.draw("A", "A", "A", "A", minute=0), store=shop.drawings)
    low, above = shop.draw_each(*"A...", minutes=range(1, 101, 2)), shop.draw_each(*"AA..", minutes=range(2, 101, 2))
    for pair in zip(low, above, strict=True):
        for photo_id in pair:
            assert shop.process(photo_id, store=shop.drawings) is PhotoState.DONE

    assert shop.told() == [("reorder.opened", "A"), ("stock.low", "A")]
    assert shop.effects("A") == ["moved"] * 101


def test_a_count_that_disagrees_waits_for_its_confirmations(shop: Shop) -> None:
    shop.policy("A", confirmations=3)
    for minute, shelf in enumerate(["AAAA", "A...", "A...", "AAAA", "A...", "A...", "A..."]):
        shop.see(*shelf, minute=minute)

    assert shop.effects("A") == ["moved", "awaiting", "awaiting", "kept", "awaiting", "awaiting", "moved"]
    assert shop.levels() == {"A": 1}
    assert shop.told() == [("reorder.opened", "A"), ("stock.low", "A")]


def test_a_shopper_in_front_of_the_shelf_orders_nothing(shop: Shop) -> None:
    """Whatever the shopper hides is not counted: neither an unknown coat nor a flare ever means that something is gone."""
    shop.see("A", "A", "A", "B", minute=0)
    for minute, shelf in enumerate(["??AB", "?.AB", "#.A?", "A##?"], start=1):
        shop.see(*shelf, minute=minute)

    assert shop.levels() == {"A": 3, "B": 1}
    assert shop.effects("A") == ["moved"]
    assert shop.told() == [("reorder.opened", "B"), ("stock.low", "B")], "B was low from the start"


def test_a_covered_lens_needs_review_and_never_means_sold_out(shop: Shop) -> None:
    shop.see("A", "A", "B", "B", minute=0)

    assert shop.see("#", "#", "#", "#", minute=1) is PhotoState.NEEDS_REVIEW
    assert "no region could be assessed: blown out" in shop.one(
        "select cause from inventory_match.photo where state = 'needs_review'"
    )
    assert shop.levels() == {"A": 2, "B": 2}


def test_an_empty_shelf_is_a_normal_result(shop: Shop) -> None:
    assert shop.see(".", ".", ".", ".", minute=0) is PhotoState.EMPTY
    assert shop.levels() == {}
    assert shop.told() == []


def test_a_product_held_in_front_of_another_leaves_no_ghost(shop: Shop) -> None:
    """B is seen once in a region of A's. It owns no region, so nothing but looking for it can ever take it off the books."""
    shop.policy(confirmations=2)
    for minute, shelf in enumerate(["AAAA", "BAAA", "AAAA", "AAAA"]):
        shop.see(*shelf, minute=minute)

    assert shop.levels() == {"A": 4, "B": 0}
    assert shop.rows("select distinct sku from inventory_match.region_owner") == [("A",)]


def test_a_ghost_does_not_vanish_behind_a_covered_lens(shop: Shop) -> None:
    shop.policy(confirmations=2)
    for minute, shelf in enumerate(["AAAA", "BAAA", "#AAA", "#AAA", "#AAA"]):
        shop.see(*shelf, minute=minute)

    assert shop.levels() == {"A": 4, "B": 1}


def test_a_replaced_product_gives_its_region_away_once_it_is_settled(shop: Shop) -> None:
    shop.policy(confirmations=2)
    for minute, shelf in enumerate(["AABB", "CABB", "CABB", "CABB"]):
        shop.see(*shelf, minute=minute)

    assert shop.levels() == {"A": 1, "B": 2, "C": 1}
    owners = shop.rows("select position, sku from inventory_match.region_owner order by position")
    assert owners == [(0, "C"), (1, "A"), (2, "B"), (3, "B")]


def test_a_late_photo_never_overrides_a_newer_count(shop: Shop) -> None:
    shop.see("A", "A", "A", "A", minute=0)
    shop.see("A", "A", "A", ".", minute=20)
    told = shop.told()

    assert shop.see(".", ".", ".", ".", minute=10) is PhotoState.EMPTY
    assert shop.levels() == {"A": 3}
    assert shop.effects("A") == ["moved", "moved", "late"]
    assert shop.told() == told


def test_a_late_photo_does_not_bring_back_what_a_newer_one_looked_for_in_vain(shop: Shop) -> None:
    shop.see("A", "A", "A", ".", minute=20)
    shop.see("A", "A", "A", "B", minute=10)
    shop.see("A", "A", "A", ".", minute=30)

    assert shop.levels() == {"A": 3}
    assert shop.effects("B") == ["late"]
    assert ("stock.low", "B") not in shop.told()


@pytest.mark.parametrize("seed", range(2))
def test_no_late_photo_ever_changes_the_end_of_the_day(shop: Shop, seed: int) -> None:
    """The same day twice, on two shelves: once as it happened, once with older photos strewn in."""
    draw = random.Random(seed)
    shop.camera("other", 4)
    shop.policy(confirmations=draw.choice([1, 2]))
    day = [(minute, [draw.choice("AB.?") for _ in range(4)]) for minute in range(10, 22)]
    ends = {}
    for camera in ("cam", "other"):
        for minute, shelf in day:
            shop.process(shop.draw(*shelf, minute=minute, camera=camera), store=shop.drawings)
            if camera == "other" and set(shelf) <= set("AB."):
                late = [draw.choice("ABC.") for _ in range(4)]
                shop.process(shop.draw(*late, minute=minute - 9.5, camera=camera), store=shop.drawings)
        sql = "select sku, units from inventory_match.stock_level where location = :camera order by sku"
        ends[camera] = shop.rows(sql, camera=camera)

    assert ends["other"] == ends["cam"]


def test_a_camera_whose_clock_says_2099_does_not_freeze_its_shelf(shop: Shop) -> None:
    years = (datetime(2099, 1, 1, tzinfo=UTC) - OPENS).total_seconds() / 60
    shop.see("A", "A", "A", "A", minute=years)
    assert shop.rows("select captured_source, clock_ahead from inventory_match.photo") == [("event", True)]

    shop.put(b"", minute=years + 1)  # an empty object is not an image either
    assert shop.run() == [PhotoState.REJECTED]
    shop.see("A", "A", "A", ".", minute=years + 2)
    assert shop.levels() == {"A": 3}


def test_a_broken_file_is_rejected_with_its_cause(shop: Shop) -> None:
    shop.put(pack("A").tobytes(), minute=0)
    shop.put(b"\x89PNG\r\n\x1a\n" + b"\x00" * 64, minute=1)

    assert shop.run() == [PhotoState.REJECTED, PhotoState.REJECTED]
    causes = shop.rows("select cause from inventory_match.photo order by id")
    assert "is not accepted; upload JPEG, PNG or WebP" in causes[0][0]
    assert causes[1][0].startswith("damaged PNG")
    assert shop.levels() == {}


def test_an_object_replaced_before_it_was_read_is_superseded(shop: Shop) -> None:
    old = shop.upload("A", "A", "A", "A", minute=0)
    first = shop.take().registered
    new = shop.upload("B", "B", "B", "B", minute=0)
    assert (old.key, old.version) != (new.key, new.version)

    assert [shop.process(photo_id) for photo_id in first] == [PhotoState.SUPERSEDED]
    assert shop.run() == [PhotoState.DONE]
    assert shop.levels() == {"B": 4}


def test_an_object_gone_before_it_was_read_is_superseded(shop: Shop) -> None:
    ref = shop.upload("A", "A", "A", "A", minute=0)
    [photo_id] = shop.take().registered
    shop.app.store.delete(ref)

    assert shop.process(photo_id) is PhotoState.SUPERSEDED


def test_a_product_camera_identifies_and_never_counts(shop: Shop) -> None:
    shop.camera("phone", 1, kind="product", regions=[])
    shop.camera("dock", 1, kind="product", regions=[], records="received")

    assert shop.see("A", minute=0, camera="phone") is PhotoState.DONE
    assert shop.one("select count(*) from inventory_match.stock_event") == 0
    for minute in (1, 2):
        assert shop.see("A", minute=minute, camera="dock") is PhotoState.DONE
    with shop.app.unit_of_work() as session:
        photos.redrive(session, shop.kicks.photos)
    assert [shop.process(photo_id) for photo_id in shop.kicks.photos] == [PhotoState.DONE] * 3

    assert shop.levels() == {}
    movements = shop.rows("select kind, sku, units, location from inventory_match.stock_event")
    assert movements == [("received", "A", 1, "dock")] * 2, "once a photo, however often it is processed"
