"""Up, down and up again; models and database agree; every documented thing is documented in the catalog itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from psycopg import errors
from sqlalchemy import Engine, inspect, text

from inventory_match.bootstrap import App, migrations
from inventory_match.db import migrate
from inventory_match.db.engine import make_engine
from inventory_match.db.models import SCHEMA
from inventory_match.domain.errors import Conflict


@pytest.fixture
def empty(app: App) -> Iterator[Engine]:
    """A database of its own without our schema."""
    migrate.uninstall(app.engine)
    engine = make_engine(app.settings.database_url.get_secret_value())
    yield engine
    engine.dispose()


def test_up_down_up_leaves_no_drift(empty: Engine) -> None:
    folder = migrations()
    migrate.upgrade(empty, folder)
    migrate.downgrade(empty, folder)
    with empty.connect() as connection:
        assert migrate.current(connection) is None
        assert inspect(connection).get_table_names(SCHEMA) == ["alembic_version"]
        assert inspect(connection).get_view_names(SCHEMA) == []
        left = connection.scalars(
            text("select proname from pg_proc where pronamespace = 'inventory_match'::regnamespace")
        )
        assert left.all() == []
    migrate.upgrade(empty, folder)
    with empty.connect() as connection:
        assert migrate.current(connection) == migrate.head(folder)
        assert migrate.drift(connection) == []


def test_each_version_goes_down_to_the_one_before(empty: Engine) -> None:
    migrate.upgrade(empty, migrations())
    migrate.downgrade(empty, migrations(), "0001")
    with empty.connect() as connection:
        assert set(inspect(connection).get_view_names(SCHEMA)) == {"book_level", "stock_on_hand"}
    migrate.upgrade(empty, migrations())


def test_the_log_of_photos_keeps_its_readers_and_its_comments_on_the_way_down(empty: Engine) -> None:
    migrate.upgrade(empty, migrations())
    for version, columns in (("0005", 25), ("0004", 24)):
        migrate.downgrade(empty, migrations(), version)
        with empty.connect() as connection:
            assert len(inspect(connection).get_columns("photo_log", SCHEMA)) == columns
            may_read = "select has_table_privilege('inventory_reader', 'inventory_match.photo_log', 'select')"
            assert connection.execute(text(may_read)).scalar() is True
            described = "select obj_description('inventory_match.photo_log'::regclass, 'pg_class')"
            assert connection.execute(text(described)).scalar()


def test_the_bounds_of_functions_go_on_the_way_down_and_nothing_else(empty: Engine) -> None:
    def functions() -> dict[str, str]:
        written = (
            "select proname, pg_get_functiondef(oid) from pg_proc where pronamespace = 'inventory_match'::regnamespace"
        )
        with empty.connect() as connection:
            return {row.proname: row[1] for row in connection.execute(text(written))}

    migrate.upgrade(empty, migrations(), "0005")
    before = functions()
    migrate.upgrade(empty, migrations(), "0006")
    bounded = functions()
    changed = {name for name, body in bounded.items() if body != before[name]}
    assert changed == {"record_movement", "place_reorder", "cancel_reorder"}
    migrate.downgrade(empty, migrations(), "0005")
    assert functions() == before


def test_the_version_that_knows_one_shelf_camera_a_location_is_not_gone_back_to_while_there_are_two(app: App) -> None:
    with app.engine.begin() as connection:
        connection.execute(text("insert into inventory_match.store (store, name) values ('s1', 'One')"))
        connection.execute(text("insert into inventory_match.location values ('s1', 'bay', 'Bay')"))
        for code in ("high", "low"):
            camera = "insert into inventory_match.camera (camera, store, location, kind, key_pattern)"
            connection.execute(text(f"{camera} values (:code, 's1', 'bay', 'shelf', :code)"), {"code": code})
            owner = "insert into inventory_match.region_owner values (:code, 1, 'A', now())"
            connection.execute(text(owner), {"code": code})
    with pytest.raises(errors.RaiseException, match="bay has several shelf cameras"):
        migrate.downgrade(app.engine, migrations(), "0006")
    with app.engine.begin() as connection:
        assert migrate.current(connection) == migrate.head(migrations())
        connection.execute(text("update inventory_match.camera set active = false where camera = 'low'"))
    migrate.downgrade(app.engine, migrations(), "0006")
    with app.engine.connect() as connection:
        owned = connection.execute(text("select count(*) from inventory_match.region_owner")).scalar_one()
        assert owned == 0, "what is the number of a place to 0007 would be the whole photo to 0006"


def test_drift_is_noticed(app: App) -> None:
    with app.engine.begin() as connection:
        connection.execute(text("alter table inventory_match.product drop column description"))
        connection.execute(text("drop index inventory_match.ix_stock_event_book"))
    with app.engine.connect() as connection:
        found = str(migrate.drift(connection))
    assert "description" in found
    assert "ix_stock_event_book" in found


def test_two_upgrades_at_once(empty: Engine) -> None:
    """Two processes, as when two machines start together: one applies, the other finds nothing left to do."""
    environment = os.environ | {"INVENTORY_MATCH_DATABASE_URL": empty.url.render_as_string(hide_password=False)}
    command = [sys.executable, "-m", "inventory_match", "db", "upgrade"]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [one.communicate(timeout=60)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    with empty.connect() as connection:
        assert migrate.current(connection) == migrate.head(migrations())
        assert migrate.drift(connection) == []


def test_every_view_and_public_function_has_a_comment(engine: Engine) -> None:
    with engine.connect() as connection:
        views = connection.execute(
            text(
                "select relname, obj_description(oid, 'pg_class') from pg_class"
                " where relnamespace = 'inventory_match'::regnamespace and relkind = 'v'"
            )
        ).all()
        granted = connection.execute(
            text(
                "select proname, obj_description(oid, 'pg_proc') from pg_proc"
                " where pronamespace = 'inventory_match'::regnamespace"
                " and (has_function_privilege('inventory_reader', oid, 'execute')"
                "      or has_function_privilege('inventory_writer', oid, 'execute'))"
            )
        ).all()
    assert len(views) == 21
    assert len(granted) == 7
    assert [row[0] for row in [*views, *granted] if not row[1]] == []


@pytest.mark.parametrize(
    ("built", "named"),
    [
        ("create view public.report as select * from inventory_match.low_stock", "view public.report"),
        ("create table public.extra (sku text references inventory_match.product (sku))", "table public.extra"),
        (
            "create function public.asked() returns setof inventory_match.store return (select s from inventory_match.store s)",
            "function public.asked()",
        ),
        ("create table public.typed (one inventory_match.low_stock)", "table public.typed"),
    ],
)
def test_uninstall_refuses_to_take_others_along(app: App, built: str, named: str) -> None:
    with app.engine.begin() as connection:
        connection.execute(text(built))
    with pytest.raises(Conflict) as raised:
        migrate.uninstall(app.engine)
    assert named in str(raised.value)
    with app.engine.connect() as connection:
        assert migrate.current(connection) == migrate.head(migrations())


def test_uninstall_drops_our_schema_and_nothing_else(app: App) -> None:
    with app.engine.begin() as connection:
        connection.execute(text("create table public.retailer as select 1 as one"))
    migrate.uninstall(app.engine)
    with app.engine.connect() as connection:
        assert connection.execute(text("select one from public.retailer")).scalar_one() == 1
        assert SCHEMA not in inspect(connection).get_schema_names()
        assert connection.execute(text("select count(*) from pg_extension where extname = 'vector'")).scalar_one() == 1
    migrate.uninstall(app.engine)
