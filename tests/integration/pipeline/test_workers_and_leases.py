"""Workers that race, die, come too late or meet a server that is away: every photo ends once, with one cause."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from inventory_match import bookkeeping, chores, pipeline
from inventory_match.bookkeeping import Entry
from inventory_match.db import photos
from inventory_match.domain.errors import ServiceUnavailable
from inventory_match.domain.photos import ObjectRef, PhotoState
from inventory_match.kicks import CeleryKicker
from inventory_match.s3.clients import s3_client
from inventory_match.s3.store import S3Store

from .conftest import OPENS, Kicks, Shop

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def sweep(shop: Shop, rekick_after: timedelta = timedelta(minutes=1)) -> list[int]:
    kicks = Kicks()
    due = chores.sweep(shop.app.unit_of_work, kicks, shop.patience.attempts, rekick_after, NOW)
    assert kicks.photos == due
    return due


def let_time_pass(shop: Shop, minutes: float) -> None:
    """Moves what the database remembers into the past."""
    past = timedelta(minutes=minutes)
    shop.rows(
        "update inventory_match.photo set next_attempt_at = next_attempt_at - :past, kicked_at = kicked_at - :past"
        " returning id",
        past=past,
    )


def state(shop: Shop) -> tuple[str, int, str | None]:
    [row] = shop.rows("select state, attempts, cause from inventory_match.photo")
    return row[0], row[1], row[2]


def test_two_workers_race_for_one_photo_and_one_has_it(shop: Shop) -> None:
    for minute in range(20):
        photo_id = shop.draw("A", "A", "A", "B", minute=minute)
        gate = Barrier(2)

        def race(photo_id: int = photo_id, gate: Barrier = gate) -> PhotoState | None:
            gate.wait()
            return shop.process(photo_id, store=shop.drawings)

        with ThreadPoolExecutor(2) as pool:
            states = [future.result() for future in [pool.submit(race), pool.submit(race)]]
        assert sorted(states, key=str) == [None, PhotoState.DONE]
    assert shop.one("select max(attempts) from inventory_match.photo") == 1
    assert shop.one("select count(*) from inventory_match.stock_event") == 40


def test_a_photo_waits_for_a_count_that_is_just_being_written(
    shop: Shop, until: Callable[[Callable[[], bool]], None]
) -> None:
    """Taken before a clerk counted, it is late, however close to each other they are settled."""
    shop.see(*"AAAA", minute=0)
    older = shop.draw(*"AAA.", minute=3)
    waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    with ThreadPoolExecutor(1) as pool:
        with shop.app.unit_of_work() as counting:
            clerk = Entry("clerk", "ann", OPENS + timedelta(minutes=5))
            bookkeeping.count(counting, "s1", "cam", "A", 2, clerk, NOW)
            settling = pool.submit(shop.process, older, store=shop.drawings)
            until(lambda: shop.one(waits) == 1)
        assert settling.result() is PhotoState.DONE
    assert shop.levels() == {"A": 2}
    assert shop.effects("A") == ["moved", "moved", "late"]


def test_a_crash_between_commit_and_kick_costs_a_sweep(shop: Shop) -> None:
    class Crash(Kicks):
        def kick(self, photo_id: int) -> None:
            raise SystemExit(f"killed before photo {photo_id} was kicked")

    shop.upload("A", "A", "A", "A", minute=0)
    crashed = replace(shop, kicks=Crash())
    with pytest.raises(SystemExit):
        crashed.take()
    assert state(shop)[0] == "registered"
    assert sweep(shop) == [], "it may have been kicked a moment ago"

    let_time_pass(shop, 2)
    [photo_id] = sweep(shop)
    assert sweep(shop) == [], "it was kicked just now"
    assert shop.process(photo_id) is PhotoState.DONE


def test_a_sweep_whose_figure_cannot_be_written_has_kicked_all_the_same(shop: Shop) -> None:
    """As on a schema of the version before, which has no place for figures."""
    shop.upload("A", "A", "A", "A", minute=0)
    [photo_id] = shop.take().registered
    let_time_pass(shop, 2)
    with shop.app.unit_of_work() as session:
        session.execute(text("drop table inventory_match.chore cascade"))

    kicks = Kicks()
    with pytest.raises(ProgrammingError, match="chore"):
        chores.sweep(shop.app.unit_of_work, kicks, shop.patience.attempts, timedelta(minutes=1), NOW)
    assert kicks.photos == [photo_id]
    assert shop.one("select kicked_at > now() - interval '1 minute' from inventory_match.photo")


def test_redis_away_costs_a_sweep_and_no_photo(shop: Shop) -> None:
    class Away(Kicks):
        def kick(self, photo_id: int) -> None:
            raise ServiceUnavailable(f"redis did not take the kick for photo {photo_id}")

    for minute in range(3):
        shop.upload("A", "A", "A", "A", minute=minute)
    assert len(replace(shop, kicks=Away()).take().registered) == 3

    let_time_pass(shop, 2)
    assert len(sweep(shop)) == 3


def test_a_queue_full_of_kicks_gets_no_more_of_them(shop: Shop) -> None:
    """Where workers lag, kicks were not lost, they wait: kicking anew each minute would bury the workers in old kicks."""

    @dataclass
    class Queue(Kicks):
        old: int = 0

        def waiting(self) -> int:
            return self.old + len(self.photos)

    for minute in range(5):
        shop.upload("A", "A", "A", "A", minute=minute)
    waiting = shop.take().registered
    kicks = Queue(old=chores.MOST_KICKS - 3)
    kicked = []
    for _ in range(4):
        let_time_pass(shop, 2)
        kicked += chores.sweep(shop.app.unit_of_work, kicks, shop.patience.attempts, timedelta(minutes=1), NOW)
    assert kicked == kicks.photos == waiting[:3]

    kicks.old, kicks.photos = 0, []  # the workers caught up
    let_time_pass(shop, 2)
    due = chores.sweep(shop.app.unit_of_work, kicks, shop.patience.attempts, timedelta(minutes=1), NOW)
    assert due == kicks.photos == waiting


def test_a_queue_that_does_not_answer_is_asked_again_by_the_next_sweep(shop: Shop) -> None:
    class Silent(Kicks):
        def waiting(self) -> int:
            raise ServiceUnavailable("redis did not say how many kicks wait")

    shop.upload("A", "A", "A", "A", minute=0)
    [photo_id] = shop.take().registered
    let_time_pass(shop, 2)
    assert chores.sweep(shop.app.unit_of_work, Silent(), shop.patience.attempts, timedelta(minutes=1), NOW) == []
    assert sweep(shop) == [photo_id], "it was not taken for kicked"


def test_the_queue_says_how_many_kicks_wait(shop: Shop) -> None:
    kicker = shop.app.kicker
    before = kicker.waiting()
    kicker.kick(1)
    kicker.kick(2)
    assert kicker.waiting() == before + 2
    with pytest.raises(ServiceUnavailable, match="how many kicks wait"):
        CeleryKicker("redis://127.0.0.1:1/0").waiting()


def test_a_worker_that_lost_its_lease_can_no_longer_write(shop: Shop) -> None:
    photo_id = shop.draw("A", "A", "A", "A", minute=0)
    eyes = replace(shop.eyes, store=shop.drawings)
    with shop.app.unit_of_work() as session:
        slow = photos.claim(session, photo_id, timedelta(minutes=5), 3)
    assert slow is not None
    seen = pipeline.see(slow, eyes)
    let_time_pass(shop, 6)
    [again] = sweep(shop)

    with shop.app.unit_of_work() as session:
        fast = photos.claim(session, again, timedelta(minutes=5), 3)
    assert fast is not None
    with shop.app.unit_of_work() as session:
        assert pipeline.settle(session, seen, shop.rules, NOW) is None
        assert not photos.finish(session, slow, PhotoState.REJECTED, "too late")
        assert not photos.give_back(session, slow, "too late", timedelta(0))
    assert shop.levels() == {}
    with shop.app.unit_of_work() as session:
        assert pipeline.settle(session, pipeline.see(fast, eyes), shop.rules, NOW) is PhotoState.DONE
    assert shop.levels() == {"A": 4}


def test_a_photo_that_kills_its_workers_rests_as_dead(shop: Shop) -> None:
    shop.draw("A", "A", "A", "A", minute=0)
    for attempt in range(1, 4):
        let_time_pass(shop, 6)
        [photo_id] = sweep(shop)
        with shop.app.unit_of_work() as session:
            claimed = photos.claim(session, photo_id, timedelta(minutes=5), 3)
        assert claimed is not None
        assert claimed.attempt == attempt  # and then the worker was killed

    assert sweep(shop) == [], "its last lease has not ended"
    let_time_pass(shop, 6)
    assert sweep(shop) == []
    assert state(shop) == ("dead", 3, "the worker died while it had this photo in hand")
    sweep(shop)
    assert shop.told() == [("photo.dead", None)]


def test_s3_away_gives_the_photo_back_and_in_the_end_buries_it(shop: Shop) -> None:
    """The bucket's server does not answer: refused connections are real ones."""
    shop.upload("A", "A", "A", "A", minute=0)
    [photo_id] = shop.take().registered
    client = s3_client("http://127.0.0.1:1", "us-east-1", "x", "x", max_attempts=1)
    away = S3Store(client, 1_000_000)

    assert shop.process(photo_id, store=away) is PhotoState.REGISTERED
    assert state(shop)[2].startswith("ServiceUnavailable: reading s3://")  # type: ignore[union-attr] # it has a cause
    assert sweep(shop) == [photo_id]
    assert shop.process(photo_id) is PhotoState.DONE, "the server is back"

    with shop.app.unit_of_work() as session:
        photos.redrive(session, [photo_id])
    assert [shop.process(photo_id, store=away) for _ in range(4)] == [PhotoState.REGISTERED] * 3 + [None]
    sweep(shop)
    assert state(shop)[:2] == ("dead", 3)
    data = shop.one("select data from inventory_match.message where type = 'photo.dead'")
    assert (data["photo_id"], data["attempts"], data["camera"]) == (photo_id, 3, "cam")
    assert "ServiceUnavailable" in data["cause"]


def test_each_transient_failure_waits_twice_as_long(shop: Shop) -> None:
    class Away:
        def fetch(self, ref: ObjectRef) -> bytes:
            raise ServiceUnavailable(f"{ref.key} did not come")

    photo_id = shop.draw("A", "A", "A", "A", minute=0)
    shop.patience = replace(shop.patience, retry_wait=timedelta(seconds=10))
    waits = []
    for _ in range(3):
        assert shop.process(photo_id, store=Away()) is PhotoState.REGISTERED
        assert shop.process(photo_id, store=Away()) is None, "its time has not come"
        waits.append(shop.one("select round(extract(epoch from next_attempt_at - now())) from inventory_match.photo"))
        let_time_pass(shop, 60)
    assert [int(wait) for wait in waits] == pytest.approx([10, 20, 40], abs=1)


def test_a_fault_of_ours_is_raised_and_bounded(shop: Shop) -> None:
    class Broken:
        sha256 = shop.eyes.encoder.sha256

        def embed(self, crops: object) -> object:
            raise ZeroDivisionError(f"{crops!r:.10}")

    photo_id = shop.draw("A", "A", "A", "A", minute=0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            shop.process(photo_id, store=shop.drawings, encoder=Broken())
    assert shop.process(photo_id, store=shop.drawings) is None
    sweep(shop)
    assert state(shop)[0] == "dead"
    assert "ZeroDivisionError" in (state(shop)[2] or "")


def test_a_photo_whose_camera_is_gone_waits_for_another(shop: Shop) -> None:
    photo_id = shop.draw("A", "A", "A", "A", minute=0)
    shop.rows("delete from inventory_match.camera where camera = 'cam' returning 1")

    assert shop.process(photo_id, store=shop.drawings) is None
    assert state(shop) == ("unrouted", 1, "camera 'cam' is no longer there")
    let_time_pass(shop, 60)
    assert sweep(shop) == []
