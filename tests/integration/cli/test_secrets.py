"""No secret leaves through a command: settings full of distinctive ones, servers that are away or refuse, and every output."""

from __future__ import annotations

import os
import subprocess
import sys
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from sqlalchemy import make_url

from inventory_match.bootstrap import App
from inventory_match.cli import main
from inventory_match.embedded.machine import Machine
from inventory_match.settings import Settings

PASSWORDS = {"database": "Geheim1@/:#[x", "redis": "Geheim2@/:#[x", "key": "GEHEIM3KEY", "secret": "Geheim4+/secret"}
AWAY = {
    "INVENTORY_MATCH_DATABASE_URL": f"postgresql://ann:{quote(PASSWORDS['database'], safe='')}@127.0.0.1:1/shop",
    "INVENTORY_MATCH_REDIS_URL": f"redis://:{quote(PASSWORDS['redis'], safe='')}@127.0.0.1:1/0",
    "INVENTORY_MATCH_S3_ENDPOINT": "http://127.0.0.1:1",
    "INVENTORY_MATCH_SQS_ENDPOINT": "http://127.0.0.1:1",
    "INVENTORY_MATCH_QUEUE_URL": "http://127.0.0.1:1/1/q",
    "INVENTORY_MATCH_AWS_ACCESS_KEY_ID": PASSWORDS["key"],
    "INVENTORY_MATCH_AWS_SECRET_ACCESS_KEY": PASSWORDS["secret"],
    "INVENTORY_MATCH_LOG_LEVEL": "DEBUG",
}
COMMANDS = [
    ["config", "show"], ["config", "show", "--env"], ["doctor"], ["db", "check"], ["db", "upgrade"], ["photos", "list"],
    ["photos", "scan", "s3://shelf-photos/"], ["webhooks", "list"], ["stock", "show"], ["encoders", "list"], ["review", "list"],
]  # fmt: skip
PIECES = ("geheim1", "geheim2", "geheim3", "geheim4")


def leaks(text: str) -> list[str]:
    """Beginnings of secrets that stand in the text, also where they are percent-encoded."""
    return [piece for piece in PIECES if piece in text.lower()]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_whose_servers_are_away_shows_none(command: list[str]) -> None:
    result = CliRunner().invoke(main, command, env=AWAY | {"COLUMNS": "300"})
    assert result.output, "it says something"
    assert leaks(result.output + repr(result.exception)) == []


def test_a_server_that_refuses_us_is_not_told_of_with_our_secrets(machine: Machine) -> None:
    """Wrong passwords at real servers, which answer with what they make of them."""
    here = make_url(machine.dsn)
    database = here.set(password=PASSWORDS["database"]).render_as_string(hide_password=False)
    redis = f"redis://:{quote(PASSWORDS['redis'], safe='')}@{machine.redis_url.rpartition('@')[2]}"
    env = machine.environment() | {"INVENTORY_MATCH_DATABASE_URL": database, "INVENTORY_MATCH_REDIS_URL": redis}
    result = CliRunner().invoke(main, ["doctor"], env=env | {"COLUMNS": "300"})
    assert result.exit_code == 1
    assert "password authentication failed" in result.output
    assert leaks(result.output) == []


def test_a_worker_that_cannot_start_prints_none() -> None:
    """Celery prints the whole traceback of what went wrong while it read the application."""
    name, value = "DATABASE_URL", "mysql://ann:Geheim1@db/shop"
    argv = [sys.executable, "-m", "celery", "--app", "inventory_match_workers.app", "report"]
    env = os.environ | AWAY | {f"INVENTORY_MATCH_{name}": value}
    ended = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert name.lower() in ended.stdout + ended.stderr
    assert leaks(ended.stdout + ended.stderr) == []


def test_neither_repr_nor_str_of_what_holds_them_shows_them() -> None:
    given = {name.removeprefix("INVENTORY_MATCH_").lower(): value for name, value in AWAY.items()}
    app = App(Settings.model_validate(given))
    shown = [app.settings, app.settings.model_dump(), app, app.engine, app.engine.url, app.store, app.kicker]
    assert leaks(" ".join(f"{one!r} {one}" for one in shown)) == []
