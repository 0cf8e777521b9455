"""The `db` commands as a person types them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from sqlalchemy import inspect, text

from inventory_match.bootstrap import App
from inventory_match.db.models import SCHEMA

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(app: App) -> Run:
    """`run("check")` is `inventory-match db check`: its exit code, and all it said."""
    environment = os.environ | {"INVENTORY_MATCH_DATABASE_URL": app.settings.database_url.get_secret_value()}

    def run(*arguments: str, typed: str = "") -> tuple[int, str]:
        command = [sys.executable, "-m", "inventory_match", "db", *arguments]
        ended = subprocess.run(command, env=environment, input=typed, capture_output=True, text=True, check=False)
        return ended.returncode, ended.stdout + ended.stderr

    return run


def test_check_is_content_after_an_upgrade(run: Run) -> None:
    code, said = run("upgrade")
    assert (code, "nothing to do" in said) == (0, True), said
    code, said = run("check")
    assert (code, "0005" in said) == (0, True), said


def test_an_upgrade_gives_a_new_database_its_encoder_and_leaves_another_alone(app: App, run: Run) -> None:
    encoders = text("select sha256, state from inventory_match.encoder")
    for expected in ([(app.encoder_record.sha256, "active")], [("f" * 64, "active")]):
        assert run("upgrade")[0] == 0
        with app.engine.begin() as connection:
            assert [tuple(row) for row in connection.execute(encoders)] == expected
            connection.execute(text("update inventory_match.encoder set sha256 = repeat('f', 64)"))


def test_check_names_what_was_changed_by_hand(app: App, run: Run) -> None:
    with app.engine.begin() as connection:
        connection.execute(text("alter table inventory_match.product drop column description"))
    code, said = run("check")
    assert (code, "description" in said) == (1, True), said


def test_uninstall_asks_first(app: App, run: Run) -> None:
    assert run("uninstall", typed="n\n")[0] == 1
    assert SCHEMA in inspect(app.engine).get_schema_names()
    assert run("uninstall", typed="y\n")[0] == 0
    assert SCHEMA not in inspect(app.engine).get_schema_names()
    code, said = run("check")
    assert (code, "db upgrade" in said) == (1, True), said
    assert run("upgrade")[0] == 0
    assert run("check")[0] == 0


def test_roles_prints_sql_that_runs_again(app: App, run: Run) -> None:
    code, printed = run("roles")
    assert (code, "create role inventory_reader" in printed) == (0, True)
    with app.engine.begin() as connection:
        connection.connection.cursor().execute(printed)
