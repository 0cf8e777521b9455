"""A real worker, and a queue into which somebody puts what no kick of ours is: nothing of it runs, and the worker lives on.

Redis holds no secret and decides nothing, so all that such a message may cost is the time it takes to refuse it. The worker
logs at DEBUG, with settings full of distinctive secrets, and what it logs is searched for them.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from kombu import Connection, Queue
from sqlalchemy import make_url, text

from inventory_match.bootstrap import App, migrations
from inventory_match.db import catalog, migrate, outbox
from inventory_match.db.models import Photo
from inventory_match.domain.events import EventType
from inventory_match.embedded.machine import Machine
from inventory_match.settings import Settings

AWS = {
    "INVENTORY_MATCH_AWS_ACCESS_KEY_ID": "GEHEIMERSCHLUESSEL",
    "INVENTORY_MATCH_AWS_SECRET_ACCESS_KEY": "GEHEIMESWORT",
}
WEBHOOK = "whsec_" + "R0VIRUlN" * 5


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def environment(machine: Machine) -> Iterator[dict[str, str]]:
    """Settings of a database of its own, with an encoder and a receiver that nobody answers for."""
    own = AWS | {"INVENTORY_MATCH_LOG_LEVEL": "DEBUG", "INVENTORY_MATCH_WEBHOOK_ALLOW": "127.0.0.1"}
    settings = machine.environment() | own
    admin = App(Settings.model_validate(plain(settings)))
    name = f"kicks_{uuid4().hex[:8]}"
    with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"create database {name}"))
    url = make_url(machine.dsn).set(database=name).render_as_string(hide_password=False)
    yield settings | {"INVENTORY_MATCH_DATABASE_URL": url}
    with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"drop database {name} with (force)"))
    admin.engine.dispose()


def plain(environment: dict[str, str]) -> dict[str, str]:
    return {name.removeprefix("INVENTORY_MATCH_").lower(): value for name, value in environment.items()}


def photo(session: object, key: str, **values: object) -> Photo:
    now = datetime.now(UTC)
    given = {
        "bucket": "shelf-photos", "key": key, "version": "v", "etag": "v", "source": "scan", "event_time": now,
        "captured_at": now,        "captured_source": "event", "camera": "gone", "next_attempt_at": now - timedelta(minutes=1),
    } | values  # fmt: skip
    made = Photo(**given)
    session.add(made)  # type: ignore[attr-defined]
    return made


def test_nothing_but_a_kick_of_ours_is_run_and_the_worker_lives_on(environment: dict[str, str], tmp_path: Path) -> None:
    app = App(Settings.model_validate(plain(environment)))
    migrate.upgrade(app.engine, migrations())
    with app.unit_of_work() as session:
        catalog.register_encoder(session, app.encoder_record, app.encoder_record.thresholds)
        photo(session, "waiting", state="registered")
        photo(session, "used up", state="processing", attempts=99)
        outbox.add_endpoint(session, "http://127.0.0.1:9/hook", WEBHOOK, [])
        outbox.emit(session, EventType.STOCK_LOW, {}, datetime.now(UTC))
    name = f"hostile-{uuid4().hex[:8]}"
    broker = app.settings.redis_url.get_secret_value()
    put_in(broker, name, Trap(tmp_path / "sprung"))
    log = tmp_path / "log"
    argv = [sys.executable, "-m", "inventory_match", "worker", "--concurrency", "1", "--queues", name]
    with log.open("wb") as out, subprocess.Popen(argv, env=os.environ | environment, stdout=out, stderr=out) as worker:
        try:
            until(lambda: state(app, "used up") == "dead", worker)
        finally:
            worker.send_signal(signal.SIGTERM)
    said, still = log.read_text(), state(app, "waiting")
    app.engine.dispose()
    assert worker.returncode == 0, said[-3000:]
    assert not (tmp_path / "sprung").exists()
    assert still == "registered", "no odd argument was taken for its id"
    assert said.count("Received invalid task message: Refusing to deserialize") == 4
    assert said.count("Received invalid task message: the body is not") == 8
    assert "unregistered task" in said
    assert "webhook posted" in said, "whose secret was in its hands"
    passwords = [str(make_url(address).password) for address in (broker, environment["INVENTORY_MATCH_DATABASE_URL"])]
    shown = [secret for secret in (*passwords, *AWS.values(), WEBHOOK, WEBHOOK[6:]) if secret in said]
    assert shown == []


def put_in(broker: str, name: str, trap: Trap) -> None:
    """Everything hostile, and last a sweep, which shows by what it does that the worker still works."""
    odd = ["x' or '1'='1", 2**70, {"id": 1}, [1], None, "\x1b[2J\nforged"]
    with Connection(broker) as connection, connection.Producer() as producer:
        task = {"task": "inventory_match.process_photo", "id": "t", "lang": "py"}
        where: dict[str, Any] = {"routing_key": name, "declare": [Queue(name, routing_key=name)]}
        for trapped in ([[trap], {}, {}], trap):
            producer.publish(trapped, serializer="pickle", headers=task, **where)
        for kind in ("application/x-yaml", "application/x-python-serialize", "application/data"):
            raw = b"!!python/object/apply:os.mkdir ['/sprung']" if "yaml" in kind else pickle.dumps(trap)
            producer.publish(raw, content_type=kind, content_encoding="binary", headers=task, **where)
        bodies: list[Any] = ["text", 5, [1], [[1], {}], [{}, [], {}], {"args": [1]}, {"id": "t"}]
        for body in bodies:
            producer.publish(body, serializer="json", headers=task, **where)
        producer.publish(b"not json", content_type="application/json", content_encoding="utf-8", headers=task, **where)
        producer.publish("no task at all", serializer="json", **where)
    with Celery(broker=broker, set_as_current=False) as celery:
        for argument in odd:
            for called in ("inventory_match.process_photo", "inventory_match.embed_references"):
                celery.send_task(called, args=[argument], queue=name)
        celery.send_task("inventory_match.process_photo", args=[1, 2], kwargs={"self": 1}, queue=name)
        celery.send_task("os.system", args=["true"], queue=name)
        celery.send_task("inventory_match.deliver_webhooks", queue=name)
        celery.send_task("inventory_match.sweep", queue=name)


def state(app: App, key: str) -> str:
    with app.unit_of_work() as session:
        return str(session.scalar(text("select state from inventory_match.photo where key = :key"), {"key": key}))


def until(true: Callable[[], bool], worker: subprocess.Popen[bytes], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about"
        assert worker.poll() is None, "the worker ended"
        time.sleep(0.2)
