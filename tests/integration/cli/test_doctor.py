"""The doctor on a healthy system, and on systems with one thing broken at a time: it names that one and sees the others."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from inventory_match.bootstrap import App
from inventory_match.db import chores
from inventory_match.embedded.loopback import choose_port

from .conftest import Run


def verdicts(output: str) -> dict[str, str]:
    lines = [line for line in output.splitlines() if line.startswith(("ok ", "warn ", "fail "))]
    return {line[5:21].strip(): line[:5].strip() for line in lines}


@pytest.fixture
def healthy(app: App) -> App:
    """With the configured encoder as the active one."""
    record = app.encoder_record
    with app.unit_of_work() as session:
        session.execute(
            text(
                "insert into inventory_match.encoder (name, arch, sha256, dim, metric, record, thresholds, state)"
                " values (:name, :arch, :sha256, :dim, :metric, '{}', '{}', 'active')"
            ),
            {
                "name": record.name,
                "arch": record.arch,
                "sha256": record.sha256,
                "dim": record.dim,
                "metric": record.metric,
            },
        )
    return app


@pytest.mark.usefixtures("healthy")
def test_all_is_well_but_no_worker_runs(run: Run) -> None:
    found = verdicts(run("doctor").output)
    assert found.pop("workers") == "warn"
    assert len(found) == 13
    assert set(found.values()) == {"ok"}


@pytest.mark.usefixtures("healthy")
def test_dead_servers_do_not_hide_each_other(run: Run) -> None:
    nobody = f"127.0.0.1:{choose_port(None, name='nobody')}"
    dead = {"redis_url": f"redis://:geheim@{nobody}/0", "s3_endpoint": f"http://{nobody}", "queue_url": ""}
    output = run("doctor", code=1, **dead).output
    found = verdicts(output)
    assert {name for name, verdict in found.items() if verdict == "fail"} == {"redis", "bucket", "queue"}
    assert found["postgres"] == found["encoder in use"] == "ok"
    assert "INVENTORY_MATCH_REDIS_URL" in output
    assert "INVENTORY_MATCH_QUEUE_URL" in output
    assert "geheim" not in output


def test_without_postgres_the_rest_is_looked_at(run: Run) -> None:
    nobody = f"127.0.0.1:{choose_port(None, name='nobody')}"
    output = run("doctor", code=1, database_url=f"postgresql+psycopg://ann:geheim@{nobody}/i").output
    found = verdicts(output)
    assert found["postgres"] == "fail"
    assert found["roles"] == "warn"
    assert found["redis"] == found["bucket"] == found["encoder file"] == "ok"
    assert "geheim" not in output


@pytest.mark.usefixtures("healthy")
def test_an_altered_schema_and_stuck_photos_are_seen(app: App, run: Run) -> None:
    with app.unit_of_work() as session:
        session.execute(text("alter table inventory_match.photo add column mine text"))
        session.execute(
            text(
                "insert into inventory_match.photo (bucket, key, version, etag, source, event_time, captured_at,"
                " captured_source, state, registered_at) values ('b', 'k', 'v', 'v', 'event', now(), now(), 'event',"
                " 'registered', now() - interval '20 minutes')"
            )
        )
    output = run("doctor", code=1).output
    found = verdicts(output)
    assert found["schema"] == "fail"
    assert found["photos"] == "warn"
    assert "1 photos have waited" in output


def test_a_database_without_an_encoder_is_told(run: Run) -> None:
    output = run("doctor", code=1).output
    assert verdicts(output)["encoder in use"] == "fail"
    assert "none is active" in output


def test_vectors_of_another_encoder_are_told(healthy: App, run: Run) -> None:
    with healthy.unit_of_work() as session:
        session.execute(text("update inventory_match.encoder set sha256 = repeat('f', 64)"))
    output = run("doctor", code=1).output
    assert verdicts(output)["encoder in use"] == "fail"
    assert "its file is not in the bucket; set INVENTORY_MATCH_ENCODER_FILE to it" in output


def test_a_wrong_encoder_file_is_told(run: Run) -> None:
    output = run("doctor", code=1, encoder_file="/nowhere/model.safetensors").output
    assert verdicts(output)["encoder file"] == "fail"
    assert "/nowhere/model.safetensors" in output


def test_live_judges_what_runs_and_how_fresh_it_is(app: App, run: Run) -> None:
    """No worker runs here and nothing listens; the sweep never ran, then just now, then long ago."""
    nobody = f"http://127.0.0.1:{choose_port(None, name='nobody')}"
    output = run("doctor", "--live", "--url", nobody, code=1).output
    found = verdicts(output)
    failed = {name for name, verdict in found.items() if verdict == "fail"}
    assert failed == {"sweep", "workers", "ready"}
    assert "it never ran" in output
    with app.unit_of_work() as session:
        chores.ran(session, "sweep", attempts=8)
    assert verdicts(run("doctor", "--live", code=1).output)["sweep"] == "ok"

    with app.unit_of_work() as session:
        session.execute(text("update inventory_match.chore set ran_at = now() - interval '10 minutes'"))
        session.execute(
            text(
                "insert into inventory_match.photo (bucket, key, version, etag, source, event_time, captured_at,"
                " captured_source, state, next_attempt_at) values ('b', 'k', 'v', 'v', 'event', now(), now(), 'event',"
                " 'registered', now() - interval '20 minutes')"
            )
        )
    output = run("doctor", "--live", code=1).output
    assert "last ran 10 min ago, 60 s is allowed" in output
    assert verdicts(output)["photos waiting"] == "fail"
    assert "1 wait, and it is the oldest one's turn since 20 min" in output
    assert "give --live too" in run("doctor", "--url", nobody, code=2).output


def test_settings_that_cannot_be_read_end_it(run: Run) -> None:
    output = run("doctor", code=1, candidates="many").output
    assert verdicts(output) == {"settings": "fail"}
    assert "candidates" in output


def test_config_shows_where_settings_come_from_and_no_secret(app: App, run: Run) -> None:
    password = app.engine.url.password
    assert password is not None
    shown = run("config", "show").output
    assert "environment" in shown
    assert "default" in shown
    assert password not in shown
    listed = run("config", "show", "--env").output
    assert "INVENTORY_MATCH_BUCKET=shelf-photos" in listed.splitlines()
    assert password not in listed
