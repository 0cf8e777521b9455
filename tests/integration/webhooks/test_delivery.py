"""From the outbox to receivers that misbehave: the schedule, the one id, rotation, 410, and what stands in the log of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from secrets import token_bytes
from socket import socket
from threading import Barrier
from typing import Any

import pytest
import standardwebhooks
from sqlalchemy import text

from inventory_match import delivery
from inventory_match.bootstrap import App
from inventory_match.db import outbox
from inventory_match.db.models import WebhookSecret
from inventory_match.delivery import MOST_AT_ONCE, Delivered
from inventory_match.domain.events import EventType
from inventory_match.webhooks.receiver import Received, WebhookReceiver
from inventory_match.webhooks.sender import WebhookSender
from inventory_match.webhooks.signing import new_secret

from .conftest import Listener, Script

WAITS = (timedelta(minutes=1), timedelta(hours=1))


def emit(app: App, number: int = 1) -> list[str]:
    with app.unit_of_work() as session:
        return [outbox.emit(session, EventType.STOCK_LOW, {"number": n}, datetime.now(UTC)) for n in range(number)]


def add(app: App, url: str) -> tuple[int, str]:
    secret = new_secret(token_bytes(32))
    with app.unit_of_work() as session:
        return outbox.add_endpoint(session, url, secret, []), secret


def deliver(app: App) -> Delivered:
    sender = WebhookSender(2.0, ["127.0.0.1"])
    return delivery.deliver_due(app.unit_of_work, sender, WAITS, timedelta(minutes=1), lambda: datetime.now(UTC))


def rows(app: App, sql: str, **values: object) -> list[tuple[Any, ...]]:
    with app.unit_of_work() as session:
        return [tuple(row) for row in session.execute(text(sql), values)]


def make_due(app: App) -> None:
    rows(app, "update inventory_match.delivery set next_attempt_at = now() returning id")


@contextmanager
def receiver(statuses: Sequence[int] = ()) -> Iterator[tuple[WebhookReceiver, list[Received]]]:
    got: list[Received] = []
    with WebhookReceiver([], got.append, first_statuses=statuses) as listening:
        yield listening, got


def test_only_2xx_ends_the_attempts_and_they_keep_to_the_schedule(app: App) -> None:
    with receiver([500, 302, 204]) as (listening, got):
        _, secret = add(app, listening.url)
        listening.trust(secret)
        [message] = emit(app)
        waits = []
        for _ in range(2):
            assert deliver(app) == Delivered(failed=1)
            assert deliver(app) == Delivered(), "its time has not come"
            [(wait,)] = rows(
                app, "select extract(epoch from next_attempt_at - now())::int from inventory_match.delivery"
            )
            waits.append(wait)
            make_due(app)
        assert deliver(app) == Delivered(sent=1)
        make_due(app)
        assert deliver(app) == Delivered(), "it is delivered"

    assert waits[0] == pytest.approx(60, abs=8)  # up to a tenth longer
    assert waits[1] == pytest.approx(3600, abs=370)
    assert [(one.message_id, one.verified, one.answered) for one in got] == [
        (message, True, 500), (message, True, 302), (message, True, 204),
    ]  # fmt: skip
    assert got[0].payload == got[2].payload
    log = "select state, attempts::int, last_status::int from inventory_match.webhook_log"
    assert rows(app, log) == [("delivered", 3, 204)]


def test_the_schedule_used_up_is_failed_until_resent_under_the_same_id(app: App) -> None:
    with receiver([500] * 3) as (listening, got):
        _, secret = add(app, listening.url)
        listening.trust(secret)
        [message] = emit(app)
        for _ in range(3):
            make_due(app)
            deliver(app)
        assert rows(app, "select state, attempts::int from inventory_match.webhook_log") == [("failed", 3)]
        assert deliver(app) == Delivered()

        with app.unit_of_work() as session:
            assert outbox.resend(session, message) == 1
        assert deliver(app) == Delivered(sent=1)
    assert {one.message_id for one in got} == {message}
    assert rows(app, "select count(*)::int from inventory_match.delivery_attempt") == [(4,)]


def test_while_a_secret_rotates_a_receiver_with_either_verifies(app: App, listen: Any) -> None:
    taking = listen(answering(b"HTTP/1.1 204 No Content\r\n\r\n"))
    endpoint, old = add(app, taking.url)
    new = new_secret(token_bytes(32))
    with app.unit_of_work() as session:
        outbox.rotate_secret(session, endpoint, new, timedelta(hours=1))
    emit(app)
    assert deliver(app) == Delivered(sent=1)
    headers, body = parts(taking)
    for secret in (old, new):
        standardwebhooks.Webhook(secret).verify(body, headers)

    rows(app, "update inventory_match.webhook_secret set expires_at = now() where expires_at is not null returning id")
    emit(app)
    assert deliver(app) == Delivered(sent=1)
    headers, body = parts(taking)
    standardwebhooks.Webhook(new).verify(body, headers)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(old).verify(body, headers)


def test_a_receiver_that_is_gone_is_disabled_by_all_its_answers_at_once(app: App) -> None:
    """A round's POSTs are answered at the same instant, ten times: whoever records first must not wait for the others."""
    together, rounds = Barrier(MOST_AT_ONCE), 10

    def wait_for_the_others(_: Received) -> None:
        together.wait(10)

    with WebhookReceiver([], wait_for_the_others, first_statuses=[410] * MOST_AT_ONCE * rounds) as gone:
        for _ in range(rounds):
            endpoint, _ = add(app, gone.url)
            emit(app, MOST_AT_ONCE + 2)
            assert deliver(app) == Delivered(failed=MOST_AT_ONCE)

    disabled = "select disabled_cause from inventory_match.webhook_endpoint where disabled_at is not null"
    assert rows(app, disabled) == [("the receiver answered 410 Gone",)]
    assert rows(app, "select distinct state from inventory_match.delivery") == [("cancelled",)]
    tried = "select status::int, count(*)::int from inventory_match.delivery_attempt group by 1"
    assert rows(app, tried) == [(410, MOST_AT_ONCE * rounds)]
    emit(app)
    sent = "select count(*)::int from inventory_match.delivery where endpoint_id = :id"
    assert rows(app, sent, id=endpoint) == [((MOST_AT_ONCE + 2) * rounds,)], "nothing more is meant for it"


def test_nothing_goes_to_a_receiver_disabled_while_the_message_was_written(app: App) -> None:
    """The one who wrote did not yet see that it was disabled."""
    with receiver() as (listening, got):
        endpoint, _ = add(app, listening.url)
        with app.unit_of_work() as writing:
            outbox.emit(writing, EventType.STOCK_LOW, {}, datetime.now(UTC))
            with app.unit_of_work() as session:
                outbox.disable_endpoint(session, endpoint, "disabled by hand")
        assert deliver(app) == Delivered()
    assert got == []


def test_whatever_a_receiver_answers_can_be_logged(app: App, listen: Any) -> None:
    add(app, listen(answering(b"HTTP/1.1 \x00\x1b[2J\xff rubbish\r\n\r\n")).url)
    emit(app)
    assert deliver(app) == Delivered(failed=1)
    [(error,)] = rows(app, "select error from inventory_match.delivery_attempt")
    assert r"\x00\x1b[2J" in error


def test_a_damaged_secret_stops_nobody_else_and_is_never_shown(app: App, capfd: pytest.CaptureFixture[str]) -> None:
    with receiver() as (listening, got):
        _, secret = add(app, listening.url)
        listening.trust(secret)
        damaged, _ = add(app, "http://127.0.0.1:9/")
        with app.unit_of_work() as session:
            session.query(WebhookSecret).filter_by(endpoint_id=damaged).update({"secret": "whsec_damagedDAMAGED"})
        emit(app)
        assert deliver(app) == Delivered(sent=1, failed=1)
        assert [one.verified for one in got] == [True]
    [(error,)] = rows(app, "select error from inventory_match.delivery_attempt where status is null")
    assert error.startswith("not sent: secret: is not whsec_")
    printed = "".join(capfd.readouterr())
    assert "webhook posted" in printed
    assert not any(hidden in printed + error for hidden in (secret[6:], "damagedDAMAGED"))


def test_an_error_of_the_database_shows_no_secret(app: App) -> None:
    with pytest.raises(Exception, match="violates foreign key") as failed, app.unit_of_work() as session:
        session.add(WebhookSecret(endpoint_id=-1, secret="whsec_c2VjcmV0"))
    assert "c2VjcmV0" not in str(failed.value)


def answering(answer: bytes) -> Script:
    def script(line: socket, _: bytes) -> None:
        line.sendall(answer)

    return script


def parts(taken: Listener) -> tuple[dict[str, str], bytes]:
    """Headers and body of the newest request."""
    head, _, body = taken.requests[-1].partition(b"\r\n\r\n")
    lines = (line.decode().partition(": ") for line in head.split(b"\r\n")[1:])
    return {name.lower(): value for name, _, value in lines}, body
