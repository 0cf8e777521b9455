"""Runs the migrations on a connection that the caller hands over (`db.migrate`), or on `-x url=...` from alembic's own CLI.

Every migration runs with a lock timeout, so that it gives up rather than queue in front of the workers, and a statement
timeout, so that a mistake ends by itself.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, create_engine, text

from inventory_match.db.models import SCHEMA, Base


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    return name == SCHEMA if kind == "schema" else True


def _run(connection: Connection) -> None:
    connection.execute(text("set lock_timeout = '5s'"))
    connection.execute(text("set statement_timeout = '5min'"))
    connection.execute(text(f"create schema if not exists {SCHEMA}"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        version_table_schema=SCHEMA,
        include_schemas=True,
        include_name=_ours,
        compare_server_default=False,
    )
    with context.begin_transaction():
        # Two starts at once: the second waits here and then finds nothing left to do.
        connection.execute(text("select pg_advisory_xact_lock(hashtext('inventory_match.migrations'))"))
        context.run_migrations()


def _connect() -> None:
    handed: Connection | None = context.config.attributes.get("connection")
    if handed is not None:
        _run(handed)
        return
    url = context.get_x_argument(as_dictionary=True)["url"]
    with create_engine(url).connect() as connection:
        _run(connection)


_connect()
