"""Receivers by command: the guard, the secret shown once, rotation, resending, and the local receiver."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import urllib3
from sqlalchemy import select, text

from inventory_match.bootstrap import App
from inventory_match.db import outbox
from inventory_match.db.models import Delivery
from inventory_match.domain.events import EventType
from inventory_match.webhooks import signing

from .conftest import Run

HERE = "http://127.0.0.1:9/hook"


def secret_in(output: str) -> str:
    found = re.findall(r"whsec_\S+", output)
    assert len(found) == 1
    return str(found[0])


def test_an_address_of_our_own_network_is_refused_unless_allowed(run: Run) -> None:
    assert "not a public address" in run("webhooks", "add", HERE, code=1).output
    run("webhooks", "add", HERE, webhook_allow="127.0.0.1")


def test_the_secret_is_shown_once(app: App, run: Run) -> None:
    secret = secret_in(run("webhooks", "add", HERE, "--types", "stock.low", webhook_allow="127.0.0.1").output)
    with app.unit_of_work() as session:
        assert outbox.live_secrets(session, 1) == (secret,)
    listed = run("webhooks", "list").output
    assert HERE in listed
    assert "stock.low" in listed
    assert "whsec" not in listed


def test_adding_twice_does_not_take_the_first_secret_away(app: App, run: Run) -> None:
    secret = secret_in(run("webhooks", "add", HERE, webhook_allow="127.0.0.1").output)
    again = run("webhooks", "add", HERE, code=1, webhook_allow="127.0.0.1").output
    assert "webhook 1 already" in again
    with app.unit_of_work() as session:
        assert outbox.live_secrets(session, 1) == (secret,)


def test_rotation_lets_both_secrets_sign_for_a_while(app: App, run: Run) -> None:
    old = secret_in(run("webhooks", "add", HERE, webhook_allow="127.0.0.1").output)
    new = secret_in(run("webhooks", "rotate", "1", "--overlap", "1h").output)
    with app.unit_of_work() as session:
        assert outbox.live_secrets(session, 1) == (new, old)
    last = secret_in(run("webhooks", "rotate", "1", "--overlap", "0s").output)
    with app.unit_of_work() as session:
        assert outbox.live_secrets(session, 1) == (last, old)  # the first rotation's hour still runs


def test_unknown_types_are_named(run: Run) -> None:
    assert "no such type: stock.gone" in run("webhooks", "add", HERE, "--types", "stock.gone", code=1).output


def test_a_disabled_receiver_gets_nothing_and_a_resend_goes_to_who_listens(app: App, run: Run) -> None:
    run("webhooks", "add", HERE, webhook_allow="127.0.0.1")
    with app.unit_of_work() as session:
        message = outbox.emit(session, EventType.CAMERA_SILENT, {"camera": "c"}, datetime.now(UTC))
        session.execute(text("update inventory_match.delivery set state = 'delivered', delivered_at = now()"))
    assert "delivered" in run("webhooks", "deliveries", "--state", "delivered").output
    assert "goes to 1 receiver" in run("webhooks", "resend", message).output
    with app.unit_of_work() as session:
        assert session.scalars(select(Delivery.state)).all() == ["pending"]
    run("webhooks", "disable", "1")
    assert "disabled by hand" in run("webhooks", "list").output
    assert "cancelled" in run("webhooks", "deliveries").output
    run("webhooks", "resend", message, code=1)
    assert "does not exist" in run("webhooks", "resend", "msg_none", code=1).output


def test_listen_verifies_and_prints_until_stopped() -> None:
    secret = signing.new_secret(b"s" * 32)
    argv = [sys.executable, "-m", "inventory_match", "webhooks", "listen", "--port", "0"]
    body = '{"type":"stock.low","timestamp":"2026-01-01T00:00:00Z","data":{"sku":"té"}}'.encode()
    root, unbuffered = Path(__file__).parents[3], {**os.environ, "PYTHONUNBUFFERED": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, cwd=root, stdin=pipe, stdout=pipe, text=True, env=unbuffered) as listener:
        assert listener.stdin is not None
        assert listener.stdout is not None
        listener.stdin.write(f"{secret}\n")
        listener.stdin.close()
        url = listener.stdout.readline().split()[-1]
        good = signing.headers([secret], "msg_1", datetime.now(UTC), body)
        forged = signing.headers([signing.new_secret(b"x" * 32)], "msg_2", datetime.now(UTC), body)
        with urllib3.PoolManager() as http:
            assert http.request("POST", url, body=body, headers=good).status == 204
            assert http.request("POST", url, body=body, headers=forged).status == 401
        first, second = listener.stdout.readline(), listener.stdout.readline()
        listener.send_signal(signal.SIGINT)
        assert listener.wait(10) == 0
    assert "verified stock.low msg_1" in first
    assert "té" in first
    assert "REFUSED msg_2" in second
