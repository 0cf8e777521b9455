"""What the two roles may do, tried by logging in as their members; and what happens where roles may not be created."""

from __future__ import annotations

import logging

import pytest
from psycopg import Connection, connect, errors
from sqlalchemy import Engine, make_url, text

from inventory_match.bootstrap import App, migrations
from inventory_match.db import migrate
from inventory_match.db.engine import make_engine

from .conftest import login

DOCUMENTED = {
    "stock_on_hand", "low_stock", "stock_history", "open_reorders", "photo_log", "sighting_log", "unknown_products",
    "webhook_log", "book_vs_camera", "encoder_builds", "review_queue", "review_log", "shelf_now",
    "planogram_log", "planogram_compliance", "planogram_score", "shelf_gap", "shelf_share",
}  # fmt: skip
READS = {"effective_policy", "similar_products", "recommend_products"}
WRITES = {"record_movement", "place_reorder", "receive_reorder", "cancel_reorder"}


def relations(connection: Connection) -> set[str]:
    return {
        name
        for (name,) in connection.execute(
            "select relname from pg_class where relnamespace = 'inventory_match'::regnamespace and relkind in ('r', 'v', 'S')"
        )
    }


def functions(connection: Connection) -> dict[str, int]:
    found = connection.execute(
        "select proname, oid::int from pg_proc where pronamespace = 'inventory_match'::regnamespace"
    )
    return dict(found.fetchall())


def may(connection: Connection, function: int) -> bool:
    found = connection.execute("select has_function_privilege(%s::oid, 'execute')", (function,)).fetchone()
    return bool(found and found[0])


def test_the_reader_reads_every_documented_view_and_nothing_else(reader: Connection) -> None:
    there = relations(reader)
    assert there > DOCUMENTED
    for name in there:
        if name in DOCUMENTED:
            reader.execute(f"select * from inventory_match.{name}")
        else:
            with pytest.raises(errors.InsufficientPrivilege):
                reader.execute(f"select * from inventory_match.{name}")


def test_the_reader_sees_levels_by_policy(reader: Connection) -> None:
    found = reader.execute("select level, reorder_point from inventory_match.low_stock").fetchone()
    assert found == (2, 3)


def test_the_reader_asks_for_similar_products(reader: Connection) -> None:
    assert reader.execute("select * from inventory_match.similar_products('tea')").fetchall() == []
    assert reader.execute("select * from inventory_match.recommend_products('{tea}', 's1')").fetchall() == []


def test_the_reader_writes_nothing(reader: Connection) -> None:
    for statement in [
        "insert into inventory_match.store (store, name) values ('s2', 'x')",
        "update inventory_match.stock_on_hand set level = 0",
        "update inventory_match.photo_log set state = 'done'",
        "delete from inventory_match.webhook_log",
        "truncate inventory_match.stock_event",
        "create table inventory_match.mine (id int)",
        "drop view inventory_match.low_stock",
        "select * from inventory_match.webhook_secret",
    ]:
        with pytest.raises(
            (errors.InsufficientPrivilege, errors.ObjectNotInPrerequisiteState, errors.FeatureNotSupported)
        ):
            reader.execute(statement)


def test_each_role_executes_its_functions_and_no_other(reader: Connection, writer: Connection) -> None:
    there = functions(reader)
    assert there.keys() > READS | WRITES
    assert {name for name, function in there.items() if may(reader, function)} == READS
    assert {name for name, function in there.items() if may(writer, function)} == WRITES


def test_nobody_else_executes_anything(filled: Engine) -> None:
    with login(filled, "") as conninfo, connect(conninfo, autocommit=True) as stranger:
        there = functions(stranger)
        assert [name for name, function in there.items() if may(stranger, function)] == []
        with pytest.raises(errors.InsufficientPrivilege):
            stranger.execute("select * from inventory_match.low_stock")


def test_the_writer_books_and_moves_reorders_under_its_own_name(writer: Connection, filled: Engine) -> None:
    writer.execute("select inventory_match.record_movement('s1', 'tea', 'sold', 1)")
    [(reorder_id,)] = filled.connect().execute(text("select id from inventory_match.reorder")).all()
    writer.execute("select inventory_match.place_reorder(%s)", (reorder_id,))
    writer.execute("select inventory_match.receive_reorder(%s, 12)", (reorder_id,))
    name = writer.info.user
    with filled.connect() as owner:
        rows = owner.execute(
            text("select units, actor from inventory_match.stock_event where id > 1 order by id")
        ).all()
        assert [tuple(row) for row in rows] == [(-1, name), (12, name)]
        assert owner.execute(text("select type from inventory_match.message")).scalars().all() == ["reorder.closed"]


def test_the_writer_reads_nothing(writer: Connection) -> None:
    for name in relations(writer):
        with pytest.raises(errors.InsufficientPrivilege):
            writer.execute(f"select * from inventory_match.{name}")


def test_definer_functions_cannot_be_led_astray(filled: Engine) -> None:
    """A caller's own schema or temporary tables must not stand in for ours."""
    with filled.connect() as owner:
        unsafe = owner.execute(
            text(
                "select proname from pg_proc where pronamespace = 'inventory_match'::regnamespace and prosecdef"
                " and not coalesce(proconfig[1] like 'search_path=inventory_match, %pg_temp', false)"
            )
        ).all()
    assert unsafe == []


def test_a_login_as_the_reader_itself_has_a_statement_timeout(filled: Engine) -> None:
    """The setting of a role holds for logins as that role only, which is why it can log in once it has a password."""
    with filled.connect() as owner:
        can_log_in = owner.execute(
            text("select rolcanlogin and rolpassword is null from pg_authid where rolname = 'inventory_reader'")
        ).scalar_one()
        assert can_log_in
        owner.execute(text("alter role inventory_reader password 'p'"))
        owner.commit()
        try:
            url = make_url(filled.url).set(drivername="postgresql", username="inventory_reader", password="p")
            with connect(url.render_as_string(hide_password=False)) as connection:
                assert connection.execute("show statement_timeout").fetchone() == ("30s",)
        finally:
            owner.execute(text("alter role inventory_reader password null"))
            owner.commit()


def test_without_createrole_the_schema_comes_up_and_a_later_run_grants(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    """The migrating user may own a schema and no more; a DBA makes the roles afterwards."""
    engine, roles = app.engine, ("inventory_reader", "inventory_writer")
    migrate.uninstall(engine)
    with login(engine, "") as conninfo:
        limited = make_url(conninfo)
        with engine.begin() as owner:
            owner.execute(text(f'grant create on database "{engine.url.database}" to {limited.username}'))
            for role in roles:
                owner.execute(text(f"alter role {role} rename to {role}_away"))
        mine = make_engine(limited.set(drivername="postgresql+psycopg").render_as_string(hide_password=False))
        try:
            with caplog.at_level(logging.WARNING):
                migrate.upgrade(mine, migrations())
            assert "inventory-match db roles" in caplog.text
        finally:
            with engine.begin() as owner:
                for role in roles:
                    owner.execute(text(f"alter role {role}_away rename to {role}"))
        with mine.begin() as connection:
            connection.exec_driver_sql(migrate.roles_sql(migrations()).replace("%", "%%"))
        mine.dispose()
        with login(engine, "in role inventory_reader") as reading, connect(reading, autocommit=True) as connection:
            assert connection.execute("select * from inventory_match.low_stock").fetchall() == []
