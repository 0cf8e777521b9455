"""`kill -9` in the middle of a migration, and the migration run again: all of it is there, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from inventory_match.bootstrap import App, migrations
from inventory_match.db import migrate
from inventory_match.db.engine import make_engine

from .conftest import LOCKED, kill, patiently, running

BEFORE = "0002"


@pytest.fixture
def older(app: App) -> Iterator[Engine]:
    """A database that stands at an older version."""
    migrate.uninstall(app.engine)
    engine = make_engine(app.settings.database_url.get_secret_value())
    migrate.upgrade(engine, migrations(), BEFORE)
    yield engine
    engine.dispose()


def one(engine: Engine, sql: str) -> Any:
    with engine.connect() as connection:
        return connection.scalar(text(sql))


def test_a_migration_that_finds_a_table_in_use_gives_up_in_one_line_and_changes_nothing(older: Engine) -> None:
    environment = {"INVENTORY_MATCH_DATABASE_URL": older.url.render_as_string(hide_password=False)}
    with older.connect() as using:
        using.execute(text("lock inventory_match.product in row exclusive mode"))
        with running("-m", "inventory_match", "db", "upgrade", environment=environment) as waiting:
            said, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 1
    assert said.startswith("Error: nothing was migrated: canceling statement due to lock timeout (")
    assert len(said.splitlines()) == 1
    with older.connect() as looking:
        assert migrate.current(looking) == BEFORE


def test_a_migration_killed_in_the_middle_is_run_again_from_where_it_began(older: Engine) -> None:
    """One version is done and the next one waits for a lock when it is killed."""
    environment = {"INVENTORY_MATCH_DATABASE_URL": older.url.render_as_string(hide_password=False)}
    command = ("-m", "inventory_match", "db", "upgrade")
    with older.connect() as using:
        using.execute(text("lock inventory_match.product in row exclusive mode"))
        with running(*command, environment=environment) as doomed:
            patiently(lambda: one(older, LOCKED) == 1, process=doomed)
            kill(doomed)
    with older.connect() as looking:
        assert migrate.current(looking) == BEFORE
        columns = (
            "select count(*) from pg_attribute where attrelid = 'inventory_match.encoder'::regclass and attname = 'key'"
        )
        assert looking.scalar(text(columns)) == 0, "of the version that was done nothing is there either"

    with running(*command, environment=environment) as again:
        assert again.wait(60) == 0, again.communicate()[0]
    with older.connect() as looking:
        assert migrate.current(looking) == migrate.head(migrations())
        assert migrate.drift(looking) == []
