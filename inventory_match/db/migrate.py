"""Brings the schema to where the code expects it, compares both, and takes it away again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from inventory_match.domain.errors import ConfigurationError

from .models import SCHEMA, Base


def config(migrations: Path) -> Config:
    """Alembic's configuration for the folder of the migrations."""
    made = Config()
    made.set_main_option("script_location", str(migrations).replace("%", "%%"))
    return made


def upgrade(engine: Engine, migrations: Path, revision: str = "head") -> None:
    """Applies what is missing. Safe to call from several processes at once."""
    _run(engine, migrations, lambda made: command.upgrade(made, revision))


def downgrade(engine: Engine, migrations: Path, revision: str = "base") -> None:
    _run(engine, migrations, lambda made: command.downgrade(made, revision))


def current(connection: Connection) -> str | None:
    """The revision the database is at, None where nothing was applied."""
    return MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA}).get_current_revision()


def head(migrations: Path) -> str:
    """The revision the code expects. Raises ConfigurationError where the folder holds none, or several."""
    found = ScriptDirectory.from_config(config(migrations)).get_current_head()
    if found is None:
        raise ConfigurationError(f"no migration in {migrations}; reinstall inventory-match")
    return found


def drift(connection: Connection) -> list[object]:
    """What the models and the database disagree about; empty when they agree."""
    options = {
        "version_table_schema": SCHEMA,
        "include_schemas": True,
        "include_name": lambda name, kind, _parents: name == SCHEMA if kind == "schema" else True,
    }
    context = MigrationContext.configure(connection, opts=options)
    return list(compare_metadata(context, Base.metadata))


def uninstall(engine: Engine) -> None:
    """Drops our schema and nothing else: roles, the extension and the retailer's tables stay."""
    with engine.begin() as connection:
        connection.execute(text("set local lock_timeout = '5s'"))
        connection.execute(text(f"drop schema if exists {SCHEMA} cascade"))


def _run(engine: Engine, migrations: Path, step: Callable[[Config], None]) -> None:
    made = config(migrations)
    with engine.connect() as connection:
        made.attributes["connection"] = connection
        step(made)
        connection.commit()
