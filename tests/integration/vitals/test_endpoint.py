"""What a process tells of itself: alive or hanging, ready or not and why, and figures that are the truth of Postgres."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from inventory_match.bootstrap import App
from inventory_match.db import catalog, chores
from inventory_match.embedded.loopback import choose_port
from inventory_match.settings import Settings
from inventory_match.vitals import endpoint, server, truth
from inventory_match.vitals.endpoint import open_endpoint
from inventory_match.vitals.pulse import Pulse
from inventory_match.vitals.server import Endpoint
from inventory_match.vitals.waiting import answered_meanwhile

Open = Callable[..., Endpoint]


class Stalled(Pulse):
    """A loop that turned an hour ago."""

    def __init__(self) -> None:
        self._at = time.monotonic() - 3600


@pytest.fixture
def watched(app: App) -> Iterator[Open]:
    """Opens the endpoint of a process with these settings changed."""
    with ExitStack() as held:

        def start(pulse: Pulse | None = None, role: str = "worker", **changed: Any) -> Endpoint:
            settings = app.settings.model_copy(update={"metrics_port": 0, **changed})
            made = open_endpoint(role, settings, pulse or Pulse())
            assert made is not None
            held.callback(made.close)
            return made

        yield start


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=50)) as server:
        yield server.getsockname()[1]


def get(of: Endpoint, path: str) -> tuple[int, str]:
    return _answer(of.server_port, path)


def _answer(port: int, path: str) -> tuple[int, str]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def verdicts(of: Endpoint) -> tuple[int, dict[str, str]]:
    status, body = get(of, "/readyz")
    return status, {check["check"]: check["verdict"] for check in json.loads(body)["checks"]}


def test_ready_once_an_encoder_is_there(app: App, watched: Open) -> None:
    worker, beat = watched(), watched(role="beat")
    assert verdicts(worker) == (
        503,
        {"postgres": "ok", "migrations": "ok", "encoder in use": "fail", "redis": "ok"},
    )
    assert verdicts(beat) == (200, {"postgres": "ok", "migrations": "ok", "redis": "ok"})
    with app.unit_of_work() as session:
        catalog.register_encoder(session, app.encoder_record, app.encoder_record.thresholds)
    time.sleep(endpoint.KEEP)
    assert verdicts(worker)[0] == 200


def test_what_hangs_is_told_in_time_and_shows_no_secret(watched: Open, silent: int) -> None:
    hung = watched(
        database_url=SecretStr(f"postgresql+psycopg://ann:geheim@127.0.0.1:{silent}/i"),
        redis_url=SecretStr(f"redis://:geheim@127.0.0.1:{silent}/0"),
    )
    began = time.monotonic()
    status, body = get(hung, "/readyz")
    assert (status, json.loads(body)["ready"]) == (503, False)
    assert "no answer for 2." in body
    figures = get(hung, "/metrics")[1]
    assert 'inventory_match_up{server="postgres"} 0.0' in figures
    assert 'inventory_match_up{server="queue"} 1.0' in figures
    assert get(hung, "/healthz")[0] == 200
    assert time.monotonic() - began < 15
    assert "geheim" not in body + figures


def test_servers_that_all_hang_cost_a_scrape_no_more_than_one(watched: Open, silent: int) -> None:
    hung = watched(
        database_url=SecretStr(f"postgresql+psycopg://ann@127.0.0.1:{silent}/i"),
        redis_url=SecretStr(f"redis://127.0.0.1:{silent}/0"),
        queue_url=f"http://127.0.0.1:{silent}/0/photos",
        sqs_endpoint=f"http://127.0.0.1:{silent}",
    )
    began = time.monotonic()
    figures = get(hung, "/metrics")[1]
    assert time.monotonic() - began < truth.SECONDS + 2
    up = [line.split()[1] for line in figures.splitlines() if line.startswith("inventory_match_up{")]
    assert up == ["0.0"] * 3


def test_a_server_that_answered_long_before_another_hung_is_told_as_well(watched: Open, silent: int) -> None:
    half = watched(database_url=SecretStr(f"postgresql+psycopg://ann@127.0.0.1:{silent}/i"), role="beat")
    assert verdicts(half) == (503, {"postgres": "fail", "migrations": "fail", "redis": "ok"})


def test_a_loop_that_hangs_is_told_but_not_while_it_waits_for_a_server(watched: Open, silent: int) -> None:
    assert get(watched(), "/healthz")[0] == 200
    status, body = get(watched(Stalled()), "/healthz")
    assert (status, json.loads(body)["alive"], json.loads(body)["role"]) == (503, False, "worker")
    away = SecretStr(f"redis://127.0.0.1:{choose_port(None, name='nobody')}/0")
    waiting = watched(Stalled(), redis_url=away)
    assert get(waiting, "/healthz")[0] == 200
    assert verdicts(waiting)[0] == 503
    taking = {"queue_url": f"http://127.0.0.1:{silent}/0/photos", "sqs_endpoint": f"http://127.0.0.1:{silent}"}
    intake = watched(Stalled(), role="intake", **taking)
    assert get(intake, "/healthz")[0] == 200
    assert verdicts(intake) == (503, {"postgres": "ok", "migrations": "ok", "redis": "ok", "queue": "fail"})
    assert get(watched(Stalled(), role="beat", **taking), "/healthz")[0] == 503, "it needs no queue"


def test_several_processes_of_one_machine_take_the_next_free_port(watched: Open) -> None:
    first = watched(metrics_port=choose_port(None, name="metrics"))
    second = watched(metrics_port=first.server_port)
    assert first.server_port < second.server_port < first.server_port + server.PORTS
    assert get(second, "/healthz")[0] == 200
    assert open_endpoint("worker", Settings(metrics_port=0, metrics_host="192.0.2.1"), Pulse()) is None
    assert open_endpoint("worker", Settings(), Pulse()) is None, "nothing listens unasked"


def test_figures_are_the_truth_of_postgres(app: App, watched: Open) -> None:
    photo = (
        "insert into inventory_match.photo (bucket, key, version, etag, source, event_time, captured_at, captured_source,"
        " state, registered_at, next_attempt_at) values ('b', :v, 'v', 'e', 'event', now(), now(), 'event', :state,"
        " now() - interval '20 minutes', now() - :due * interval '1 second')"
    )
    with app.unit_of_work() as session:
        for v, state, due in (("1", "registered", 90), ("2", "registered", -40), ("3", "dead", 0), ("4", "dead", 0)):
            session.execute(text(photo), {"v": v, "state": state, "due": due})
        chores.ran(session, "sweep", attempts=8)
        for _ in range(2):
            chores.add_up(session, "scan", found=3, back=1)
    of_all = watched(role="intake")
    values = {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in get(of_all, "/metrics")[1].splitlines()
        if not line.startswith("#")
    }
    prefix = "inventory_match_"
    assert values[prefix + 'photos{state="registered"}'] == 2
    assert values[prefix + 'photos{state="dead"}'] == 2
    assert values[prefix + 'photos{state="done"}'] == 0
    assert 1200 <= values[prefix + "photo_waiting_seconds"] < 1260
    assert 90 <= values[prefix + "photo_overdue_seconds"] < 150
    assert values[prefix + "outbox_overdue_seconds"] == 0
    assert 0 <= values[prefix + 'chore_age_seconds{chore="sweep"}'] < 60
    assert (values[prefix + "scan_found_total"], values[prefix + "scan_back_total"]) == (6, 2)
    assert values[prefix + 'kicks{queue="photos"}'] >= 0
    assert values[prefix + "queue_messages"] >= 0
    alerts = (Path(__file__).parents[3] / "docker" / "alerts.yml").read_text()
    assert set(re.findall(r"inventory_match_\w+", alerts)) <= {name.partition("{")[0] for name in values}


def test_only_its_three_pages_are_there(watched: Open) -> None:
    made = watched()
    assert get(made, "/../etc/passwd")[0] == 404
    with closing(HTTPConnection("127.0.0.1", made.server_port, timeout=20)) as connection:
        connection.request("POST", "/metrics", body=b"x")
        assert connection.getresponse().status == 501


def test_who_asks_too_slowly_keeps_nobody_else_from_asking(watched: Open) -> None:
    """A byte now and then is never too late for a single read."""
    made, ended = watched(), threading.Event()
    with ExitStack() as held:
        slow = [held.enter_context(socket.create_connection(("127.0.0.1", made.server_port))) for _ in range(16)]

        def drip() -> None:
            while not ended.wait(0.5):
                for each in slow:
                    with suppress(OSError):  # it was let go
                        each.send(b"G")

        dripping = threading.Thread(target=drip)
        dripping.start()
        held.callback(dripping.join)
        held.callback(ended.set)
        time.sleep(0.5)
        with pytest.raises((HTTPException, ConnectionError)):
            get(made, "/healthz")
        time.sleep(server.REQUEST_SECONDS + 1)
        assert get(made, "/healthz")[0] == 200


def test_a_process_that_has_not_begun_is_alive_and_not_ready_and_leaves_no_thread(watched: Open) -> None:
    """Not even one of somebody who is still asking: the pool is forked next."""
    port, threads = choose_port(None, name="metrics"), threading.active_count()
    with ExitStack() as held:
        with answered_meanwhile("worker", Settings(metrics_port=port)):
            slow = held.enter_context(socket.create_connection(("127.0.0.1", port)))
            slow.send(b"GET /healthz")
            answers = [_answer(port, path) for path in ("/healthz", "/readyz", "/metrics", "/")]
            assert [status for status, _ in answers] == [200, 503, 503, 404]
            assert json.loads(answers[0][1])["alive"] is True
            assert threading.active_count() > threads
        assert threading.active_count() == threads
    assert watched(metrics_port=port).server_port == port, "it is free for the process itself"
