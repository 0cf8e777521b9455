"""Brings the schema to where the code expects it, compares both, and takes it away again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from inventory_match.domain.errors import ConfigurationError, Conflict, ServiceUnavailable

from .models import SCHEMA, Base

# Views depend through their rewrite rule; all else by itself. A type or class inside a schema is asked for its own schema.
_BUILT_ON_US = text("""
    with ours (classid, objid) as (
        select 'pg_class'::regclass, oid from pg_class where relnamespace = to_regnamespace(:schema)
        union all select 'pg_proc'::regclass, oid from pg_proc where pronamespace = to_regnamespace(:schema)
        union all select 'pg_type'::regclass, oid from pg_type where typnamespace = to_regnamespace(:schema)
    )
    select distinct described
    from pg_depend d
    join ours on (ours.classid, ours.objid) = (d.refclassid, d.refobjid)
    left join pg_rewrite rule on d.classid = 'pg_rewrite'::regclass and rule.oid = d.objid
    left join pg_constraint held on d.classid = 'pg_constraint'::regclass and held.oid = d.objid
    left join pg_attrdef filled on d.classid = 'pg_attrdef'::regclass and filled.oid = d.objid
    left join pg_trigger fires on d.classid = 'pg_trigger'::regclass and fires.oid = d.objid
    cross join lateral (
        select coalesce(rule.ev_class, nullif(held.conrelid, 0), filled.adrelid, fires.tgrelid) as table_id
    ) carrier
    cross join lateral pg_identify_object(
        case when carrier.table_id is null then d.classid else 'pg_class'::regclass end,
        coalesce(carrier.table_id, d.objid), 0) as thing
    cross join lateral (select thing.type || ' ' || thing.identity as described) named
    where thing.schema <> :schema and thing.schema not like 'pg_toast%'
    order by described
""")


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


def is_behind(connection: Connection, migrations: Path) -> bool:
    """Whether something is still to be applied. A revision the code does not know is of newer code: that is ahead."""
    here = current(connection)
    if here is None:
        return True
    known = {script.revision for script in ScriptDirectory.from_config(config(migrations)).walk_revisions()}
    return here in known and here != head(migrations)


def drift(connection: Connection) -> list[object]:
    """What the models and the database disagree about; empty when they agree."""
    options = {
        "version_table_schema": SCHEMA,
        "include_schemas": True,
        "include_name": _is_modelled,
    }
    context = MigrationContext.configure(connection, opts=options)
    return list(compare_metadata(context, Base.metadata))


def _is_modelled(name: str | None, kind: str, _parents: object) -> bool:
    """Only our schema, without the indexes of vectors: each encoder gets its own, once its references are many."""
    if kind == "index" and name is not None and name.startswith(("hnsw_", "ivfflat_")):
        return False
    return kind != "schema" or name == SCHEMA


def roles_sql(migrations: Path) -> str:
    """The SQL that makes the roles and grants what they may do, for a DBA to run where the migrating user may not."""
    return max((migrations / "views").glob("*_roles.sql")).read_text(encoding="utf-8")


def uninstall(engine: Engine) -> None:
    """Drops our schema and nothing else: roles, the extension and the retailer's tables stay.

    Raises Conflict where something outside the schema is built on it (a report's view, say): `cascade` would take it along.
    """
    with engine.begin() as connection:
        connection.execute(text("set local lock_timeout = '5s'"))
        if built_on_us := connection.scalars(_BUILT_ON_US, {"schema": SCHEMA}).all():
            raise Conflict(f"nothing was dropped: {', '.join(built_on_us)} would go along; drop or change that first")
        connection.execute(text(f"drop schema if exists {SCHEMA} cascade"))


def _run(engine: Engine, migrations: Path, step: Callable[[Config], None]) -> None:
    """In one transaction, however many versions. Raises ServiceUnavailable where a table is in use for too long."""
    made = config(migrations)
    with engine.connect() as connection:
        made.attributes["connection"] = connection
        try:
            step(made)
        except (LockNotAvailable, DBAPIError) as error:  # the first from files that are run by a bare cursor
            told = error.orig if isinstance(error, DBAPIError) else error
            if not isinstance(told, LockNotAvailable):
                raise
            cure = "somebody is using a table; run it again, or stop the workers first"
            raise ServiceUnavailable(f"nothing was migrated: {told} ({cure})") from error
        connection.commit()
    # Connections learn pgvector's types when they are made: those from before the extension came never would.
    engine.dispose()
