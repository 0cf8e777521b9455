"""What is old goes, by policy; what waits, what the present rests on, and the ledger stay."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from inventory_match import chores, intake, retention, review_queue
from inventory_match.db import photos
from inventory_match.domain.errors import ConfigurationError, ServiceUnavailable
from inventory_match.domain.photos import ObjectRef, PhotoState
from inventory_match.retention import PICTURES, Policy

from .conftest import Shop

FOR_EVER = 3600.0
ALL = Policy(photos=30, sightings=30, photo_rows=60, messages=60)


def aged(shop: Shop, days: int) -> None:
    """Everything was that many days earlier, but for the ledger, which knows no second time."""
    for table, column in (("photo", "registered_at"), ("message", "created_at"), ("rejected_message", "received_at")):
        with shop.app.unit_of_work() as session:
            session.execute(text(f"update inventory_match.{table} set {column} = now() - {days} * interval '1 day'"))


def run(shop: Shop, policy: Policy = ALL) -> dict[str, int]:
    return {
        what: number
        for what, number in retention.run(shop.app.unit_of_work, shop.app.store, policy, FOR_EVER).items()
        if number
    }


def figures(shop: Shop) -> list[list[tuple[object, ...]]]:
    """What people and reorders go by."""
    return [
        shop.rows("select sku, level, stage from inventory_match.stock_on_hand order by sku"),
        shop.rows("select sku, state from inventory_match.open_reorders order by sku"),
        shop.rows("select id, kind, effect, units, photo_id from inventory_match.stock_event order by id"),
    ]


def test_old_photos_go_and_stock_alerts_and_the_ledger_go_on(shop: Shop) -> None:
    for minute in range(4):
        shop.see("A", "A", "B", "C", minute=minute)
    shop.see("A", "A", "B", "?", minute=4)
    shop.camera("bare", 2)
    for minute in (5, 6):
        assert shop.see(".", ".", minute=minute, camera="bare") is PhotoState.EMPTY
    aged(shop, 90)
    before, said = figures(shop), retention.due(shop.app.unit_of_work, ALL)
    assert said[PICTURES] == 7

    assert run(shop) == {
        PICTURES: 7,
        "photos whose rows go, with all that was seen on them": 4,
        "webhook messages that nobody waits for": said["webhook messages that nobody waits for"],
    }
    assert run(shop) == {}
    left = "select minute, state from (select extract(minute from captured_at)::int as minute, state"
    assert shop.rows(f"{left} from inventory_match.photo) p order by 1") == [(3, "done"), (4, "done"), (6, "empty")], (
        "the photo behind the level of C, and the newest of each camera"
    )
    assert figures(shop) == before
    assert shop.rows("select count(*) from inventory_match.sighting where embedding is not null") == [(0,)]
    with shop.app.unit_of_work() as session:
        assert chores.notice_silence(shop.app.unit_of_work, datetime.now(UTC)) == 0
        assert photos.newest_assessed(session, "cam") is not None

    assert shop.see(".", ".", "B", ".", minute=10) is PhotoState.DONE
    assert shop.levels()["A"] == 0
    assert ("stock.out", "A") in shop.told()


def test_what_waits_is_never_let_go(shop: Shop) -> None:
    shop.upload("A", "A", "A", "A", minute=0)
    [waits] = shop.take().registered
    shop.see("A", "A", "B", "?", minute=1)
    shop.rows("insert into inventory_match.webhook_endpoint (url) values ('https://erp.example') returning id")
    with shop.app.unit_of_work() as session:
        emit = "select inventory_match.emit_message('stock.low', 's1', 'A', '{}')"
        session.execute(text(emit))
        photos.record_rejected(session, "m1", "no json", "not JSON")
    aged(shop, 90)

    only_vectors = Policy(sightings=30, photo_rows=60, messages=60)
    pending = "select count(*) from inventory_match.delivery where state = 'pending'"
    [(deliveries,)] = shop.rows(pending)
    assert deliveries >= 1
    assert run(shop, only_vectors)["queue messages that could not be read"] == 1
    assert shop.rows(pending) == [(deliveries,)]
    assert shop.one("select count(*) from inventory_match.photo") == 2, "their pictures are there"
    with shop.app.unit_of_work() as session:
        assert len(review_queue.groups(session)) == 1, "a person is still asked"
    assert shop.process(waits) is PhotoState.DONE


def test_one_picture_the_bucket_refuses_keeps_none_behind_it(shop: Shop) -> None:
    class Grudging:
        """A bucket that does not let go of its first photo."""

        def __init__(self) -> None:
            self.asked = 0

        def delete(self, ref: ObjectRef) -> None:
            self.asked += 1
            if self.asked == 1:
                raise ServiceUnavailable(f"deleting {ref.key}")

    for minute in range(3):
        shop.see("A", "A", "B", "C", minute=minute)
    aged(shop, 90)
    assert chores.expire_photos(shop.app.unit_of_work, Grudging(), 30, limit=1) == 2  # type: ignore[arg-type]
    assert shop.rows("select count(*) from inventory_match.photo where expired_at is null") == [(1,)]


class Bucket:
    """One that answers every delete with `said`, or takes `seconds`; `asked` counts them."""

    def __init__(self, said: Exception | None = None, seconds: float = 0) -> None:
        self.said, self.seconds, self.asked = said, seconds, 0

    def delete(self, _: ObjectRef) -> None:
        self.asked += 1
        time.sleep(self.seconds)
        if self.said is not None:
            raise self.said


MORE = """
insert into inventory_match.photo (bucket, key, version, etag, source, event_time, captured_at, captured_source, state,
                                   registered_at)
select bucket, key || n, version, etag, source, event_time, captured_at, captured_source, state, registered_at
from inventory_match.photo, generate_series(1, 29) n returning id
"""


@pytest.mark.parametrize(
    ("said", "asked"),
    [(ServiceUnavailable("S3 is away"), chores.UNANSWERED), (ConfigurationError("access denied"), chores.REFUSED)],
)
def test_a_bucket_that_is_away_or_closed_is_not_asked_for_every_photo(shop: Shop, said: Exception, asked: int) -> None:
    shop.draw_each("A", "A", "B", "C", minutes=range(1))
    shop.rows("update inventory_match.photo set state = 'done' returning id")
    aged(shop, 90)
    shop.rows(MORE)
    away = Bucket(said)
    with capture_logs() as logs:
        assert chores.expire_photos(shop.app.unit_of_work, away, 30, limit=2) == 0  # type: ignore[arg-type]
    assert away.asked == asked
    assert [one["event"] for one in logs].count("photos not expired; the next run tries again") == 1
    assert retention.due(shop.app.unit_of_work, ALL)[PICTURES] == 30


def test_a_bucket_that_is_slow_does_not_outlast_the_time_a_run_has(shop: Shop) -> None:
    shop.draw_each("A", "A", "B", "C", minutes=range(5))
    shop.rows("update inventory_match.photo set state = 'done' returning id")
    aged(shop, 90)
    slow = Bucket(seconds=1)
    ends = time.monotonic() + 0.5
    assert chores.expire_photos(shop.app.unit_of_work, slow, 30, ends=ends) == slow.asked <= 1  # type: ignore[arg-type]


def test_a_photo_redriven_while_others_go_keeps_its_picture(shop: Shop) -> None:
    class Redriven(Bucket):
        """While the first goes, a person redrives the second."""

        def delete(self, ref: ObjectRef) -> None:
            super().delete(ref)
            with shop.app.unit_of_work() as session:
                assert photos.redrive(session, [second]) == [second]

    first, second = shop.draw_each("A", "A", "B", "C", minutes=range(2))
    shop.rows("update inventory_match.photo set state = 'done' returning id")
    aged(shop, 90)
    bucket = Redriven()
    assert chores.expire_photos(shop.app.unit_of_work, bucket, 30) == bucket.asked == 1  # type: ignore[arg-type]
    gone = shop.rows("select id, state, expired_at is null from inventory_match.photo order by id")
    assert gone == [(first, "done", False), (second, "registered", True)]


def test_a_scan_that_finds_a_picture_let_go_has_it_let_go_again(shop: Shop) -> None:
    """Else its row would go one day, and a later scan take it for a new photo."""
    ref = shop.upload("A", "A", "B", "C", minute=0)
    shop.run()
    aged(shop, 90)
    assert run(shop)[PICTURES] == 1
    shop.upload("A", "A", "B", "C", minute=0)
    listed = list(shop.app.store.list_objects(ref.bucket, shop.prefix))
    assert [one.ref for one in listed] == [ref]
    intake.scan(listed, shop.app.unit_of_work, shop.kicks, lambda _: None)
    assert run(shop)[PICTURES] == 1
    assert list(shop.app.store.list_objects(ref.bucket, shop.prefix)) == []
