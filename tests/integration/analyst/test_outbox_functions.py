"""The one door to the outbox: who gets a message, the hourly ceiling, two writers at its edge, and the digest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from inventory_match.bootstrap import App
from inventory_match.domain.events import UNDER_CEILING, EventType

from .conftest import Ask, Put, ask_with, put_with, session_on

pytestmark = pytest.mark.usefixtures("one_hour")

EMIT = """select inventory_match.emit_message(:type, :store, 'tea', '{"level": 1, "name": "Tea"}', now())"""


def emit(session: Session, kind: str = EventType.STOCK_LOW, store: str | None = "s1") -> str:
    return str(session.execute(text(EMIT), {"type": kind, "store": store}).scalar_one())


@pytest.fixture
def ceiling_of_two(shop: str, session: Session) -> None:
    assert shop == "s1"
    session.execute(text("update inventory_match.store set alerts_per_hour = 2"))


def held(ask: Ask) -> list[bool]:
    return [row["held"] for row in ask("select held from message order by created_at")]


def test_a_message_goes_to_those_who_want_its_type(put: Put, ask: Ask, session: Session) -> None:
    everything = put("webhook_endpoint", url="https://a")
    low = put("webhook_endpoint", url="https://b", event_types=["stock.out", "stock.low"])
    put("webhook_endpoint", url="https://c", event_types=["photo.dead"])
    put("webhook_endpoint", url="https://d", disabled_at=text("now()"))
    message = emit(session, store=None)
    assert len(message) >= len("msg_") + 27
    rows = ask("select message_id, endpoint_id, state, next_attempt_at <= now() as due from delivery order by id")
    fresh = {"message_id": message, "state": "pending", "due": True}
    assert rows == [fresh | {"endpoint_id": everything.id}, fresh | {"endpoint_id": low.id}]


@pytest.mark.usefixtures("ceiling_of_two")
@pytest.mark.parametrize("kind", EventType)
def test_the_ceiling_holds_alerts_and_nothing_else(put: Put, ask: Ask, session: Session, kind: EventType) -> None:
    put("webhook_endpoint", url="https://a")
    for _ in range(3):
        emit(session, kind)
    assert held(ask) == [False, False, kind in UNDER_CEILING]
    assert len(ask("select * from delivery")) == (2 if kind in UNDER_CEILING else 3)


@pytest.mark.usefixtures("ceiling_of_two")
def test_alerts_share_one_ceiling_per_store(put: Put, ask: Ask, session: Session) -> None:
    put("store", store="s2", alerts_per_hour=1)
    put("store", store="s3")
    for kind, store in [("low", "s1"), ("out", "s1"), ("recovered", "s1"), ("low", "s2"), ("low", "s2"), ("low", "s3")]:
        emit(session, f"stock.{kind}", store)
    assert held(ask) == [False, False, True, False, True, False]


@pytest.mark.usefixtures("ceiling_of_two")
def test_a_new_hour_has_a_new_ceiling(put: Put, ask: Ask, session: Session) -> None:
    an_hour_ago = ask("select now() - interval '1 hour' as at")[0]["at"]
    for number in range(2):
        put("message", id=f"msg_{number}", type="stock.low", store="s1", created_at=an_hour_ago)
    emit(session)
    assert held(ask) == [False, False, False]


@pytest.mark.usefixtures("ceiling_of_two")
def test_a_ceiling_of_zero_holds_everything(ask: Ask, session: Session) -> None:
    session.execute(text("update inventory_match.store set alerts_per_hour = 0"))
    emit(session)
    assert held(ask) == [True]


@contextmanager
def committed_shop(app: App) -> Iterator[tuple[Session, Session]]:
    """Two sessions on a shop with a ceiling of one."""
    with session_on(app.engine) as first, session_on(app.engine) as second:
        put_with(first)("store", store="s1", alerts_per_hour=1)
        first.commit()
        yield first, second


@pytest.mark.parametrize("ends_with", ["commit", "rollback"])
def test_two_transactions_cannot_both_take_the_last_slot(app: App, ends_with: str) -> None:
    with committed_shop(app) as (first, second):
        emit(first)

        def write() -> None:
            emit(second)
            second.commit()

        waiting = threading.Thread(target=write)
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive(), "the second writer went ahead while the first one's slot was undecided"
        getattr(first, ends_with)()
        waiting.join(10)
        assert not waiting.is_alive()
        assert held(ask_with(first)) == ([False, True] if ends_with == "commit" else [False])


def test_a_digest_waits_for_an_alert_that_is_still_being_written(app: App) -> None:
    """Else the hour would get a second digest for the straggler."""
    with committed_shop(app) as (first, second):
        emit(first)
        emit(first)
        first.commit()
        emit(first)
        told: list[int] = []

        def digest() -> None:
            told.append(flush(second))
            second.commit()

        flushing = threading.Thread(target=digest)
        flushing.start()
        flushing.join(0.5)
        assert flushing.is_alive()
        first.commit()
        flushing.join(10)
        assert told == [1]
        [sent] = ask_with(first)("select data from message where type = 'stock.digest'")
        assert len(sent["data"]["messages"]) == 2


def flush(session: Session, later: str = "1 hour") -> int:
    statement = text("select inventory_match.flush_digests(now() + cast(:later as interval))")
    return int(session.execute(statement, {"later": later}).scalar_one())


@pytest.mark.usefixtures("ceiling_of_two")
def test_one_digest_when_the_hour_is_over(put: Put, ask: Ask, session: Session) -> None:
    endpoint = put("webhook_endpoint", url="https://a", event_types=["stock.digest"])
    messages = [emit(session) for _ in range(4)]
    assert flush(session, "0") == 0
    assert flush(session) == 1
    assert flush(session) == 0
    [digest] = ask("select * from message where type = 'stock.digest'")
    data: dict[str, Any] = digest["data"]
    assert [one["id"] for one in data["messages"]] == messages[2:]
    assert data["store"] == "s1"
    [hour] = ask("select date_trunc('hour', now(), 'UTC') = cast(:hour as timestamptz) as same", hour=data["hour"])
    assert hour["same"]
    assert {key: data["messages"][0][key] for key in ("type", "sku", "name", "level")} == {
        "type": "stock.low", "sku": "tea", "name": "Tea", "level": 1,
    }  # fmt: skip
    assert ask("select id from message where digest_id = :id order by created_at", id=digest["id"]) == [
        {"id": one} for one in messages[2:]
    ]
    assert ask("select message_id, endpoint_id from delivery") == [
        {"message_id": digest["id"], "endpoint_id": endpoint.id}
    ]


@pytest.mark.usefixtures("shop")
def test_each_store_and_hour_has_its_own_digest(put: Put, ask: Ask, session: Session) -> None:
    put("store", store="s2")
    for number, (store, hours) in enumerate([("s1", 3), ("s1", 2), ("s1", 2), ("s2", 2), ("s2", 0)]):
        at = ask("select now() - make_interval(hours => :hours) as at", hours=hours)[0]["at"]
        put("message", id=f"msg_{number}", type="stock.low", store=store, held=True, created_at=at)
    assert flush(session, "0") == 3
    digests = ask("select store, jsonb_array_length(data -> 'messages') as n from message where type = 'stock.digest'")
    assert sorted((row["store"], row["n"]) for row in digests) == [("s1", 1), ("s1", 2), ("s2", 1)]
