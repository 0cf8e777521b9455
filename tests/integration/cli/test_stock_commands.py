"""Counts and movements by hand, and what follows from them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from inventory_match.bootstrap import App

from .conftest import Run

pytestmark = pytest.mark.usefixtures("shop")


def level(app: App, sku: str = "tea") -> int:
    with app.unit_of_work() as session:
        statement = text("select level from inventory_match.stock_on_hand where sku = :sku")
        return int(session.execute(statement, {"sku": sku}).scalar_one())


def messages(app: App) -> list[str]:
    with app.unit_of_work() as session:
        return list(session.scalars(text("select type from inventory_match.message order by created_at, id")))


def test_a_count_sets_the_level_at_once(app: App, run: Run) -> None:
    assert "the level is now 7" in run("stock", "count", "s1", "shelf", "tea", "7").output
    assert level(app) == 7
    shown = run("stock", "show", "s1", "tea").output
    assert "Tea" in shown
    assert "book" in shown


def test_the_same_key_is_one_count(app: App, run: Run) -> None:
    run("stock", "count", "s1", "shelf", "tea", "7", "--key", "list-1")
    assert "counted before" in run("stock", "count", "s1", "shelf", "tea", "3", "--key", "list-1").output
    assert level(app) == 7


def test_an_older_count_never_overrides(app: App, run: Run) -> None:
    run("stock", "count", "s1", "shelf", "tea", "7")
    earlier = (datetime.now(UTC) - timedelta(hours=3)).isoformat()
    assert "newer observation" in run("stock", "count", "s1", "shelf", "tea", "1", "--at", earlier).output
    assert level(app) == 7


def test_locations_are_summed_and_movements_added(app: App, run: Run) -> None:
    run("stock", "count", "s1", "shelf", "tea", "7")
    run("stock", "count", "s1", "dock", "tea", "2")
    run("stock", "receive", "s1", "tea", "12", "--location", "dock")
    run("stock", "sell", "s1", "tea", "3")
    run("stock", "adjust", "s1", "tea", "-4", "--note", "broken")
    assert level(app) == 7 + 2 + 12 - 3 - 4
    history = run("stock", "history", "tea").output
    assert "adjusted" in history
    assert "broken" in history


def test_the_same_key_is_one_movement(app: App, run: Run) -> None:
    for _ in range(2):
        run("stock", "receive", "s1", "tea", "5", "--key", "note-9")
    assert level(app) == 5


def test_running_low_opens_one_reorder_and_tells(app: App, run: Run) -> None:
    run("stock", "count", "s1", "shelf", "tea", "5")
    told = run("stock", "sell", "s1", "tea", "3").output
    assert "reorder 1 opened" in told
    assert "stock.low for tea" in told
    run("stock", "sell", "s1", "tea", "1")
    assert messages(app) == ["reorder.opened", "stock.low"]


def test_a_naive_time_is_the_stores_own(app: App, run: Run) -> None:
    run("stock", "count", "s1", "shelf", "tea", "7", "--at", "2026-07-01T12:00")
    with app.unit_of_work() as session:
        at = session.execute(text("select observed_at from inventory_match.stock_event")).scalar_one()
    assert at == datetime(2026, 7, 1, 11, tzinfo=UTC)  # Lisbon is an hour ahead in summer


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("count", "s1", "shelf", "milk", "1"), "sku 'milk' is not in the catalog"),
        (("count", "s1", "roof", "tea", "1"), "location 'roof' does not exist in store 's1'"),
        (("count", "s9", "shelf", "tea", "1"), "store 's9' does not exist"),
        (("sell", "s1", "milk", "1"), "sku milk is not in the catalog"),
        (("receive", "s1", "tea", "1", "--location", "roof"), "location roof does not exist in store s1"),
        (("adjust", "s1", "tea", "0"), "units 0"),
        (("count", "s1", "shelf", "tea", "1", "--at", "2999-01-01"), "lies in the future"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(app: App, run: Run, args: tuple[str, ...], told: str) -> None:
    output = run("stock", *args, code=1).output
    assert told in output
    assert len(output.strip().splitlines()) == 1
    with app.unit_of_work() as session:
        assert session.execute(text("select count(*) from inventory_match.stock_event")).scalar() == 0


def test_a_reorder_from_opened_to_received(app: App, run: Run) -> None:
    run("stock", "count", "s1", "shelf", "tea", "1")
    assert "opened" in run("reorder", "list").output
    assert "only a placed or partly received" in run("reorder", "receive", "1", "6", code=1).output
    assert "reorder 1 is placed" in run("reorder", "place", "1").output
    assert "partly_received" in run("reorder", "receive", "1", "6", "--receipt", "note-1").output
    assert "partly_received" in run("reorder", "receive", "1", "6", "--receipt", "note-1").output
    assert level(app) == 7
    assert "reorder 1 is received" in run("reorder", "receive", "1", "6", "--receipt", "note-2").output
    assert level(app) == 13
    assert "tea" not in run("reorder", "list").output
    assert messages(app) == ["reorder.opened", "stock.low", "stock.recovered", "reorder.closed"]


def test_a_reorder_is_cancelled_once(run: Run) -> None:
    run("stock", "count", "s1", "shelf", "tea", "1")
    assert "reorder 1 is cancelled" in run("reorder", "cancel", "1", "--note", "no supplier").output
    assert "cancelled already" in run("reorder", "cancel", "1", code=1).output
    assert "reorder 9 does not exist" in run("reorder", "place", "9", code=1).output


def test_times_and_durations_that_are_none_are_told(run: Run) -> None:
    assert "'noon' is no time" in run("stock", "count", "s1", "shelf", "tea", "1", "--at", "noon", code=2).output
    assert "'1w' is no duration" in run("webhooks", "rotate", "1", "--overlap", "1w", code=2).output
