"""The `site` commands as a person types them: what changed, what was wrong, and that a mistake changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from redis import Redis
from sqlalchemy import text

from inventory_match.bootstrap import App
from inventory_match.cli import main
from inventory_match.embedded.machine import Machine

SITE = """\
[defaults.policy]
reorder_point = 2
clear_point = 4
target_level = 6
[stores.s1]
name = "One"
[stores.s1.locations.a]
[[stores.s1.cameras]]
id = "left"
location = "a"
kind = "shelf"
keys = "{camera}/"
"""


@pytest.fixture
def run(app: App, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    env = machine.environment() | {"INVENTORY_MATCH_DATABASE_URL": app.settings.database_url.get_secret_value()}
    for name, value in {**env, "COLUMNS": "200"}.items():
        monkeypatch.setenv(name, value)
    return CliRunner()


def typed(run: CliRunner, *words: str | Path) -> Result:
    result = run.invoke(main, ["site", *map(str, words)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "site.toml").write_text(SITE, encoding="utf-8")
    return tmp_path / "site.toml"


def test_apply_tells_what_it_changed_and_then_nothing(run: CliRunner, file: Path) -> None:
    planned = typed(run, "apply", file, "--dry-run").output
    assert "would change" in planned
    assert "nothing to change" not in typed(run, "apply", file).output
    assert typed(run, "apply", file).output == "nothing to change\n"
    file.write_text(SITE.replace("clear_point = 4", "clear_point = 5"), encoding="utf-8")
    assert "clear_point 4 → 5" in typed(run, "apply", file).output
    shown = typed(run, "show").output
    assert "left/" in shown
    assert "clear_point 5" in shown


def test_a_mistake_names_its_place_and_changes_nothing(run: CliRunner, file: Path, app: App) -> None:
    file.write_text(SITE.replace('"One"', '"Uno"').replace("clear_point = 4", "clear_point = 1"), encoding="utf-8")
    failed = typed(run, "apply", file)
    assert failed.exit_code == 1
    assert f"{file}:3: defaults.policy.clear_point: clear_point 1 must be above the reorder point (2)" in failed.output
    with app.engine.connect() as connection:
        assert connection.scalar(text("select count(*) from inventory_match.store")) == 0


def test_a_file_is_judged_together_with_what_other_files_applied(run: CliRunner, file: Path, tmp_path: Path) -> None:
    typed(run, "apply", file)
    other = tmp_path / "other.toml"
    camera = '[stores.s2.locations.a]\n[[stores.s2.cameras]]\nid = "{}"\nlocation = "a"\nkind = "shelf"\nkeys = "{}"\n'
    for body, says in (
        (
            camera.format("left", "new/"),
            "other.toml:5: stores.s2.cameras[1].id: camera id 'left' is taken in store 's1'",
        ),
        (camera.format("right", "left/"), "other.toml:8: stores.s2.cameras[1].keys: keys that begin with 'left/'"),
        (
            "[stores.s2.policy]\nreorder_point = 4\n",
            "other.toml:4: stores.s2.policy.reorder_point: clear_point 4 must be",
        ),
    ):
        other.write_text('[stores.s2]\nname = "Two"\n' + body, encoding="utf-8")
        failed = typed(run, "apply", other)
        assert failed.exit_code == 1, body
        assert says in failed.output


def test_photos_that_had_no_camera_are_kicked(run: CliRunner, file: Path, app: App, machine: Machine) -> None:
    now = datetime(2026, 5, 4, tzinfo=UTC)
    with app.unit_of_work() as session:
        photo_id = session.scalar(
            text(
                "insert into inventory_match.photo (bucket, key, version, etag, source, event_time, captured_at,"
                " captured_source, state) values ('b', 'left/1.jpg', 'v', 'e', 'event', :now, :now, 'event', 'unrouted')"
                " returning id"
            ),
            {"now": now},
        )
    redis = Redis.from_url(machine.redis_url)
    redis.delete("photos")
    assert "1 photos that had no camera are on their way" in typed(run, "apply", file).output
    assert redis.llen("photos") == 1
    redis.delete("photos")
    with app.engine.connect() as connection:
        found = connection.execute(text("select id, state, camera from inventory_match.photo")).one()
    assert tuple(found) == (photo_id, "registered", "left")


def test_without_redis_the_site_is_applied_all_the_same(
    run: CliRunner, file: Path, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.unit_of_work() as session:
        session.execute(
            text(
                "insert into inventory_match.photo (bucket, key, version, etag, source, event_time, captured_at,"
                " captured_source, state) values ('b', 'left/1.jpg', 'v', 'e', 'event', now(), now(), 'event', 'unrouted')"
            )
        )
    monkeypatch.setenv("INVENTORY_MATCH_REDIS_URL", "redis://127.0.0.1:1/0")
    assert typed(run, "apply", file).exit_code == 0
    with app.engine.connect() as connection:
        assert connection.scalar(text("select state from inventory_match.photo")) == "registered"
