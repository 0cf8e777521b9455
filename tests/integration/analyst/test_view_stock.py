"""The views of stock against rows put there by hand."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from inventory_match.domain.reorder import ReorderState

from .conftest import NOON, Ask, Put

pytestmark = pytest.mark.usefixtures("shop")

_numbers = count()


def book(put: Put, kind: str, units: int, minute: float = 0, location: str | None = None, **more: Any) -> None:
    values = {
        "location": location,
        "kind": kind,
        "units": units,
        "observed_at": NOON + timedelta(minutes=minute),
        **more,
    }
    put("stock_event", store="s1", sku="tea", idempotency_key=f"k{next(_numbers)}", **values)


def watch(put: Put, **more: Any) -> None:
    put("stock_watch", store="s1", sku="tea", **more)


def level(put: Put, location: str, units: int, age: timedelta, session: Session, **more: Any) -> None:
    seen = session.execute(text("select now()")).scalar_one() - age
    put("stock_level", store="s1", sku="tea", location=location, units=units, counted_at=seen, seen_at=seen, **more)


def test_the_level_is_the_sum_and_the_age_that_of_the_stalest_location(put: Put, ask: Ask, session: Session) -> None:
    watch(put)
    level(put, "shelf", 4, timedelta(minutes=5), session, camera="c1")
    level(put, "back", 10, timedelta(hours=2), session)
    [row] = ask("select * from stock_on_hand where store = :s and sku = 'tea'", s="s1")
    assert (row["level"], row["level_source"], row["name"]) == (14, "camera", "Tea")
    assert row["age"] == timedelta(hours=2)
    assert row["policy"] == {"reorder_point": 3, "clear_point": 6, "target_level": 12}


def test_what_is_not_known_is_not_zero(put: Put, ask: Ask) -> None:
    """A policy that trusts the camera, and no camera has looked: neither sold out nor low."""
    watch(put)
    put("policy_rule", sku="tea", settings={"level_source": "camera"})
    book(put, "received", 2)
    [row] = ask("select level, age, book_units from stock_on_hand")
    assert row == {"level": None, "age": None, "book_units": 2}
    assert ask("select * from low_stock") == []


@pytest.mark.parametrize(
    ("entries", "units", "minute"),
    [
        pytest.param([("received", 5, 0, None), ("sold", -2, 1, None)], 3, 1, id="movements add up"),
        pytest.param(
            [("sold", -9, 0, None), ("counted_person", 7, 1, "shelf"), ("sold", -2, 2, None)], 5, 2, id="a count starts anew"
        ),
        pytest.param(
            [("counted_person", 7, 0, "shelf"), ("counted_person", 4, 1, "shelf")], 4, 1, id="the last count of a place speaks"
        ),
        pytest.param(
            [("counted_person", 7, 0, "shelf"), ("counted_person", 4, 1, "back")], 11, 1, id="places add up"
        ),
        pytest.param(
            [("counted_person", 7, 2, "shelf"), ("received", 3, 1, "back")], 10, 2, id="a count says nothing of other places"
        ),
        pytest.param(
            [("counted_person", 7, 2, "shelf"), ("sold", -3, 1, None)], 7, 2, id="a sale before the count is in the count"
        ),
        pytest.param(
            [("counted_person", 7, 0, "shelf"), ("counted_person", 9, 0, "shelf")], 9, 0, id="same moment: the later row"
        ),
    ],
)  # fmt: skip
def test_book_units(
    put: Put, ask: Ask, entries: list[tuple[str, int, float, str | None]], units: int, minute: float
) -> None:
    for kind, amount, at, location in entries:
        effect = "moved" if kind == "counted_person" else "booked"
        book(put, kind, amount, at, location, effect=effect)
    assert ask("select units, as_of from book_level") == [{"units": units, "as_of": NOON + timedelta(minutes=minute)}]


def test_camera_counts_and_late_counts_are_no_book_entries(put: Put, ask: Ask) -> None:
    book(put, "counted_person", 5, 0, "shelf", effect="moved")
    book(put, "counted_person", 50, 1, "shelf", effect="late")
    book(put, "counted_camera", 2, 2, "shelf", effect="moved", facings=2, depth=1)
    assert ask("select units from book_level") == [{"units": 5}]


@pytest.mark.parametrize(
    ("units", "stage", "listed"),
    [(3, "ok", True), (4, "ok", False), (5, "low", True), (0, "out", True), (9, "ok", False)],
)
def test_low_stock_lists_at_the_reorder_point_and_until_cleared(
    put: Put, ask: Ask, session: Session, units: int, stage: str, listed: bool
) -> None:
    watch(put, stage=stage)
    level(put, "shelf", units, timedelta(0), session, camera="c1")
    assert bool(ask("select * from low_stock where store = 's1'")) is listed


def test_low_stock_shows_policy_reorder_and_snooze(put: Put, ask: Ask, session: Session) -> None:
    watch(put, stage="low")
    level(put, "shelf", 1, timedelta(0), session, camera="c1")
    put(
        "policy_rule", store="s1", sku="tea", settings={"reorder_point": 2, "snooze_until": "2999-01-01T00:00:00+00:00"}
    )
    put("reorder", store="s1", sku="tea", state="received", closed_at=NOON)
    open_one = put("reorder", store="s1", sku="tea", state="placed")
    [row] = ask("select * from low_stock")
    assert (row["reorder_point"], row["clear_point"], row["target_level"]) == (2, 6, 12)
    assert (row["reorder_id"], row["reorder_state"], row["snoozed"]) == (open_one.id, "placed", True)


def test_a_retired_product_is_not_low(put: Put, ask: Ask, session: Session) -> None:
    watch(put, stage="out")
    level(put, "shelf", 0, timedelta(0), session, camera="c1")
    session.execute(text("update inventory_match.product set retired_at = now() where sku = 'tea'"))
    assert ask("select * from low_stock") == []
    assert len(ask("select * from stock_on_hand")) == 1


def test_book_vs_camera_shows_both_and_only_where_both_speak(put: Put, ask: Ask, session: Session) -> None:
    watch(put)
    put("stock_watch", store="s1", sku="rice")
    level(put, "shelf", 4, timedelta(0), session, camera="c1")
    book(put, "received", 6)
    [row] = ask("select * from book_vs_camera")
    assert (row["sku"], row["camera_units"], row["book_units"], row["difference"]) == ("tea", 4, 6, -2)
    assert row["book_as_of"] == NOON
    assert row["apart"] == row["camera_as_of"] - NOON


@pytest.mark.parametrize(
    ("state", "received", "on_order"), [("opened", 0, 0), ("placed", 0, 12), ("partly_received", 5, 7)]
)
def test_open_reorders(put: Put, ask: Ask, session: Session, state: str, received: int, on_order: int) -> None:
    watch(put)
    level(put, "shelf", 4, timedelta(0), session, camera="c1")
    put("reorder", store="s1", sku="tea", state=state, received_units=received, opened_at=NOON, expected_at=NOON)
    [row] = ask("select * from open_reorders")
    assert (row["on_order"], row["level_when_opened"], row["level_now"], row["overdue"]) == (on_order, 2, 4, True)
    assert row["age"] == session.execute(text("select now()")).scalar_one() - NOON


@pytest.mark.parametrize("state", [ReorderState.RECEIVED, ReorderState.CANCELLED])
def test_closed_reorders_are_not_open(put: Put, ask: Ask, state: ReorderState) -> None:
    put("reorder", store="s1", sku="tea", state=state)
    assert ask("select * from open_reorders") == []


def test_stock_history_tells_the_stores_own_time_and_the_photo(put: Put, ask: Ask) -> None:
    photo = put("photo", key="cams/a/1.jpg")
    book(put, "counted_camera", 4, 0, "shelf", effect="moved", facings=2, depth=2, photo_id=photo.id)
    book(put, "counted_camera", 2, 1, "shelf", effect="moved", facings=1, depth=2, photo_id=photo.id + 1)
    first, pruned = ask("select * from stock_history where store = 's1' and sku = 'tea' order by id")
    assert first["local_time"] == datetime(2026, 3, 2, 13, 0)  # noqa: DTZ001 - the column is a clock on the wall
    assert (first["photo_key"], first["facings"], first["units"], first["name"]) == ("cams/a/1.jpg", 2, 4, "Tea")
    assert pruned["photo_key"] is None
