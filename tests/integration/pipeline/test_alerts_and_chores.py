"""What follows from levels, however they moved: one reorder under concurrency, ceilings and digests, snoozes, silence."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from inventory_match import alerting, chores
from inventory_match.db import outbox
from inventory_match.domain.events import EventType
from inventory_match.domain.photos import ObjectRef, PhotoState

from .conftest import Shop

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def sell(shop: Shop, sku: str, units: int, kind: str = "sold") -> None:
    """What the retailer's till does: plain SQL."""
    sql = "select inventory_match.record_movement('s1', :sku, :kind, :units)"
    shop.rows(sql, sku=sku, kind=kind, units=units)


def test_sold_by_plain_sql_is_judged_by_the_next_sweep_once(shop: Shop) -> None:
    sell(shop, "A", 5, "received")
    sell(shop, "A", 4)
    assert shop.told() == []

    assert chores.judge_moved(shop.app.unit_of_work, NOW) == 1
    assert shop.told() == [("reorder.opened", "A"), ("stock.low", "A")]
    assert chores.judge_moved(shop.app.unit_of_work, NOW) == 0


def test_what_is_retired_is_sold_out_in_silence(shop: Shop) -> None:
    sell(shop, "A", 5, "received")
    shop.rows("update inventory_match.product set retired_at = now() where sku = 'A' returning 1")
    sell(shop, "A", 5)

    assert chores.judge_moved(shop.app.unit_of_work, NOW) == 1
    assert chores.judge_moved(shop.app.unit_of_work, NOW) == 0
    assert shop.told() == []


def test_a_level_that_is_not_known_yet_is_not_judged(shop: Shop) -> None:
    """The books decide and nobody has booked anything: that is not the same as nothing left."""
    shop.policy("A", reorder_point=1, clear_point=3, target_level=6, level_source="book")

    assert shop.see("A", ".", ".", ".", minute=0) is PhotoState.DONE
    assert shop.told() == []


def test_one_reorder_however_many_judge_at_once(shop: Shop) -> None:
    sell(shop, "A", 1, "received")
    gate = Barrier(4)

    def judge(_: int) -> list[int]:
        gate.wait()
        with shop.app.unit_of_work() as session:
            return alerting.judge_products(session, "s1", ["A", "B"], NOW).reorders

    with ThreadPoolExecutor(4) as pool:
        opened = [one for made in pool.map(judge, range(4)) for one in made]

    assert len(opened) == 1
    assert shop.told() == [("reorder.opened", "A"), ("stock.low", "A")]


def test_watches_are_locked_in_order_of_sku(shop: Shop, until: Callable[[Callable[[], bool]], None]) -> None:
    """Else two shelves that share products could wait for each other. While B is held, A is locked and C is not yet."""
    for sku in "CBA":
        sell(shop, sku, 9, "received")

    def judge() -> None:
        with shop.app.unit_of_work() as session:
            alerting.judge_products(session, "s1", ["C", "B", "A"], NOW)

    waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    free = "select sku from inventory_match.stock_watch where sku <> 'B' order by sku for update skip locked"
    with ThreadPoolExecutor(1) as pool:
        with shop.app.unit_of_work() as holding:
            holding.execute(text("select from inventory_match.stock_watch where sku = 'B' for update"))
            judging = pool.submit(judge)
            until(lambda: shop.one(waits) == 1)
            assert shop.rows(free) == [("C",)]
        judging.result()


def test_the_database_itself_refuses_a_second_open_reorder(shop: Shop) -> None:
    sell(shop, "A", 1, "received")
    chores.judge_moved(shop.app.unit_of_work, NOW)
    shop.rows("update inventory_match.stock_watch set stage = 'ok' returning 1")

    with shop.app.unit_of_work() as session:
        raised = alerting.judge_products(session, "s1", ["A"], NOW)
    assert raised.reorders == []
    assert [kind for kind, _ in raised.alerts] == [EventType.STOCK_LOW]
    assert shop.one("select count(*) from inventory_match.reorder") == 1


def test_over_the_ceiling_alerts_are_held_and_follow_as_one_digest(shop: Shop) -> None:
    shop.rows("update inventory_match.store set alerts_per_hour = 2 returning 1")
    for sku in "ABCD":
        sell(shop, sku, 1, "received")
    chores.judge_moved(shop.app.unit_of_work, NOW)
    lows = shop.rows("select sku, held from inventory_match.message where type = 'stock.low' order by created_at, sku")
    assert [held for _, held in lows] == [False, False, True, True]
    assert shop.one("select count(*) from inventory_match.message where type = 'reorder.opened'") == 4, "never held"

    def flush(at: datetime) -> int:
        with shop.app.unit_of_work() as session:
            return outbox.flush_digests(session, at)

    assert flush(datetime.now(UTC)) in (0, 1)  # 1 where an hour ended since
    flush(datetime.now(UTC) + timedelta(hours=1))
    assert flush(datetime.now(UTC) + timedelta(hours=2)) == 0
    digest = shop.one("select data from inventory_match.message where type = 'stock.digest'")
    assert sorted(one["sku"] for one in digest["messages"]) == sorted(sku for sku, held in lows if held)


def test_a_snooze_holds_the_alert_back_until_it_ends(shop: Shop) -> None:
    until = NOW + timedelta(hours=1)
    shop.policy("A", snooze_until=until.isoformat())
    sell(shop, "A", 1, "received")
    chores.judge_moved(shop.app.unit_of_work, NOW)
    assert shop.told() == []
    assert chores.judge_moved(shop.app.unit_of_work, NOW + timedelta(minutes=59)) == 0

    assert chores.judge_moved(shop.app.unit_of_work, until) == 1
    assert shop.told() == [("reorder.opened", "A"), ("stock.low", "A")]
    assert chores.judge_moved(shop.app.unit_of_work, until) == 0


def test_an_alert_after_a_snooze_shows_the_photo_that_counted_it(shop: Shop) -> None:
    """The same evidence as the alert of the photo itself carries, but for the photo's name."""
    until = datetime.now(UTC) + timedelta(hours=1)
    shop.policy("B", snooze_until=until.isoformat())
    for camera, shelves in {"of A": ["AAAA", "A..."], "of B": ["BBBB", "B..."]}.items():
        shop.camera(camera, 4)
        for minute, shelf in enumerate(shelves):
            shop.process(shop.draw(*shelf, minute=minute, camera=camera), store=shop.drawings)
    assert shop.told() == [("reorder.opened", "A"), ("stock.low", "A")]
    chores.judge_moved(shop.app.unit_of_work, until)

    sql = "select data -> 'evidence' from inventory_match.message where type = 'stock.low' order by sku"
    [[at_once], [later]] = shop.rows(sql)
    assert [one.pop("camera") for one in (at_once, later)] == ["of A", "of B"]
    assert [one.pop("location") for one in (at_once, later)] == ["of A", "of B"]
    assert later.pop("photo")["key"].startswith(f"{shop.prefix}/of B/")
    del at_once["photo"]
    similarities = [one["sightings"][0].pop("similarity") for one in (at_once, later)]
    assert min(similarities) > 0.9
    assert at_once == later
    opened = "select evidence -> 'photo' ->> 'key' from inventory_match.reorder where sku = 'B'"
    assert shop.one(opened).startswith(f"{shop.prefix}/of B/")


def test_what_happened_during_a_snooze_is_told_at_its_end(shop: Shop) -> None:
    """Low before it; sold out in it; filled up in the next one."""
    sell(shop, "A", 1, "received")
    chores.judge_moved(shop.app.unit_of_work, NOW)
    for kind, units, hours in (("sold", 1, 1), ("received", 9, 3)):
        until = NOW + timedelta(hours=hours)
        shop.policy("A", snooze_until=until.isoformat())
        sell(shop, "A", units, kind)
        chores.judge_moved(shop.app.unit_of_work, until - timedelta(minutes=1))
        chores.judge_moved(shop.app.unit_of_work, until)

    assert [kind for kind, _ in shop.told()] == ["reorder.opened", "stock.low", "stock.out", "stock.recovered"]


def test_a_silent_camera_is_told_once_and_armed_by_its_next_photo(shop: Shop) -> None:
    shop.rows("update inventory_match.camera set expected_interval = interval '1 hour' returning 1")

    def notice(hours: float) -> int:
        return chores.notice_silence(shop.app.unit_of_work, datetime.now(UTC) + timedelta(hours=hours))

    assert [notice(0.5), notice(2), notice(3)] == [0, 1, 0]
    assert shop.told() == [("camera.silent", None)]
    data = shop.one("select data from inventory_match.message")
    assert (data["camera"], data["expected_every_seconds"], data["last_photo_at"]) == ("cam", 3600, None)

    shop.upload("A", "A", "A", "A", minute=0)
    shop.take()
    assert shop.one("select silent_since from inventory_match.camera") is None
    assert [notice(0.5), notice(2), notice(3)] == [0, 1, 0]


def test_old_photos_are_let_go_and_what_was_counted_stays(shop: Shop) -> None:
    old = shop.upload("A", "A", "A", "A", minute=0)
    young = shop.upload("A", "A", "A", "A", minute=1)
    shop.run()
    shop.rows(
        "update inventory_match.photo set registered_at = now() - interval '31 days' where key = :key returning 1",
        key=old.key,
    )

    assert chores.expire_photos(shop.app.unit_of_work, shop.app.store, None) == 0, "nobody set a limit"
    assert chores.expire_photos(shop.app.unit_of_work, shop.app.store, 30) == 1
    assert chores.expire_photos(shop.app.unit_of_work, shop.app.store, 30) == 0
    assert exists(shop, young)
    assert not exists(shop, old)
    assert shop.rows(
        "select p.key = :old, count(*), count(s.embedding) from inventory_match.photo p"
        " join inventory_match.sighting s on s.photo_id = p.id group by 1 order by 1",
        old=old.key,
    ) == [(False, 4, 4), (True, 4, 0)]
    assert shop.levels() == {"A": 4}
    shop.rows("update inventory_match.store set keep_photos_days = 1 returning 1")
    assert chores.expire_photos(shop.app.unit_of_work, shop.app.store, 30) == 0
    shop.rows("update inventory_match.photo set registered_at = now() - interval '2 days' returning 1")
    assert chores.expire_photos(shop.app.unit_of_work, shop.app.store, 30) == 1, "a store's own limit comes first"


def test_photos_that_wait_are_never_let_go(shop: Shop) -> None:
    ref = shop.upload("A", "A", "A", "A", minute=0)
    shop.take()
    shop.rows("update inventory_match.photo set registered_at = now() - interval '31 days' returning 1")

    assert chores.expire_photos(shop.app.unit_of_work, shop.app.store, 30) == 0
    assert exists(shop, ref)


def exists(shop: Shop, ref: ObjectRef) -> bool:
    listed = shop.app.store.list_objects(ref.bucket, ref.key)
    return [one.ref for one in listed] == [ref]


@pytest.mark.parametrize("statement", ["update {} set units = 0", "delete from {}", "truncate {}"])
def test_the_ledger_refuses_to_be_rewritten(shop: Shop, statement: str) -> None:
    sell(shop, "A", 5, "received")
    with (
        pytest.raises(DBAPIError, match="append-only"),
        shop.app.unit_of_work() as session,
    ):
        session.execute(text(statement.format("inventory_match.stock_event")))
