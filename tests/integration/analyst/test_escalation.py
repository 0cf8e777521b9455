"""What a login with one of the two roles can still try: every object of the catalog, every way up, every odd argument.

What is tried is generated from Postgres' own catalog where that is possible, so that a new table or function is covered on
the day it is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

import pytest
from psycopg import Connection, Error, connect, errors
from sqlalchemy import Engine, text

from .conftest import login, put_with, session_on
from .test_roles import DOCUMENTED, READS, WRITES

HIDDEN = ("whsec_hidden", "path-secret", "query-secret", "user-secret")

# Everything in the database that a role has a right to, as "what kind of thing: privilege", but for what PUBLIC may
# everywhere: reading the system catalogs, their functions, and pgvector's.
RIGHTS = """
    select n.nspname || '.' || c.relname, held
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace,
    unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN']) held
    where n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg_t%'
      and c.relkind in ('r', 'v', 'm', 'p', 'f')
      and (has_table_privilege(c.oid, held)
           or (held in ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES') and has_any_column_privilege(c.oid, held)))
    union all
    select n.nspname || '.' || c.relname, held
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace,
    unnest(array['SELECT', 'UPDATE', 'USAGE']) held
    where c.relkind = 'S' and has_sequence_privilege(c.oid, held)
    union all
    select n.nspname || '.' || f.proname, 'EXECUTE'
    from pg_proc f
    join pg_namespace n on n.oid = f.pronamespace
    where n.nspname not in ('pg_catalog', 'information_schema') and has_function_privilege(f.oid, 'execute')
      and not exists (select from pg_depend d where d.objid = f.oid and d.deptype = 'e')
    union all
    select nspname, 'CREATE' from pg_namespace where has_schema_privilege(oid, 'create') and nspname not like 'pg_temp%'
    union all
    select datname, 'CREATE' from pg_database where has_database_privilege(oid, 'create')
    union all
    select rolname, 'MEMBER' from pg_roles
    where pg_has_role(oid, 'member') and rolname not in (current_user, 'inventory_reader', 'inventory_writer')
    union all
    select rolname, 'ATTRIBUTE' from pg_roles
    where rolname in (current_user, 'inventory_reader', 'inventory_writer')
      and (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls)
    union all
    select p.name, 'SET' from pg_settings p
    where p.context in ('superuser', 'sighup') and has_parameter_privilege(p.name, 'SET')
"""

WAYS_UP = [
    "set role inventory",
    "set session authorization inventory",
    "alter role current_user superuser",
    "alter role current_user createrole",
    "alter role inventory password 'mine'",
    "create role stronger superuser",
    "grant inventory to current_user",
    "grant pg_read_all_data to current_user",
    "grant select on inventory_match.webhook_secret to current_user",
    "alter default privileges for role inventory grant select on tables to public",
    "create schema mine",
    "create database mine",
    "drop extension vector cascade",
    "alter extension vector update",
    "create foreign data wrapper out",
    "create event trigger t on ddl_command_start execute function inventory_match.refuse_change()",
    "create publication all_of_it for all tables",
    "create subscription s connection 'host=127.0.0.1' publication p",
    "create tablespace t location '/tmp'",
    "create table public.mine (id int)",
    "create table inventory_match.mine (id int)",
    "create view inventory_match.mine as select 1",
    "create function inventory_match.mine() returns int language sql as 'select 1'",
    "create function public.mine() returns int language sql as 'select 1'",
    "create function pg_catalog.mine() returns int language sql as 'select 1'",
    "create or replace view inventory_match.low_stock as select 1",
    "alter view inventory_match.low_stock owner to current_user",
    "alter view inventory_match.low_stock set (security_invoker = true)",
    "drop view inventory_match.low_stock",
    "alter function inventory_match.similar_products reset all",
    "alter function inventory_match.record_movement owner to current_user",
    "create trigger t before insert on inventory_match.stock_event execute function inventory_match.refuse_change()",
    "alter table inventory_match.stock_event disable trigger all",
    "create rule r as on select to inventory_match.low_stock do instead nothing",
    "create policy p on inventory_match.store",
    "comment on view inventory_match.low_stock is 'mine'",
    "do $$ begin lock table inventory_match.stock_event in access exclusive mode; end $$",
    "do $$ begin lock table inventory_match.low_stock in access exclusive mode; end $$",
    "reindex table inventory_match.stock_event",
    "drop schema inventory_match cascade",
    "drop owned by inventory",
    "reassign owned by inventory to current_user",
    "copy (select 1) to program 'id'",
    "copy (select 1) to '/tmp/out'",
    "copy inventory_match.webhook_secret to stdout",
    "create temp table t (line text); copy t from '/etc/passwd'",
    "create temp table t (line text); copy t from program 'id'",
    "select pg_read_file('/etc/passwd')",
    "select pg_read_binary_file('postgresql.auto.conf')",
    "select pg_ls_dir('/')",
    "select pg_stat_file('/etc/passwd')",
    "select lo_import('/etc/passwd')",
    "select lo_export(1, '/tmp/out')",
    "select * from pg_authid",
    "select * from pg_shadow",
    "select * from pg_hba_file_rules",
    "select * from pg_file_settings",
    "select * from pg_user_mapping",
    "select * from pg_statistic",
    "alter system set log_statement = 'all'",
    "set session_replication_role = replica",
    "set log_statement = 'all'",
    "set session_preload_libraries = 'x'",
    "load '/tmp/evil.so'",
    "select pg_reload_conf()",
    "select pg_rotate_logfile()",
    "select pg_switch_wal()",
    "select pg_create_logical_replication_slot('s', 'pgoutput')",
    "checkpoint",
    "do $$ begin execute 'set role inventory'; end $$",
    "explain analyze select * from inventory_match.webhook_secret",
    "prepare p as select * from inventory_match.webhook_secret; execute p",
    "do $$ declare c cursor for select * from inventory_match.webhook_secret; begin open c; end $$",
    "select setval('inventory_match.stock_event_id_seq', 1)",
    "select inventory_match.emit_message('stock.low', 's1', 'tea', '{}')",
    "select inventory_match.flush_digests()",
    "select inventory_match.lock_reorder(1)",
    "select inventory_match.nearest_products('{tea}', 's1', 1)",
]
TEXTS = [
    "",
    "'; drop table inventory_match.store; --",
    "\\",
    "tea' or '1'='1",
    "%s %I {} \x1b[2J\n",
    "é" * 100_000,
    "pg_temp.x",
]
ODD: dict[str, list[object]] = {
    "text": [*TEXTS, None],
    "int8": [2**63 - 1, -(2**63), 0, -1, None],
    "int4": [2**31 - 1, -(2**31), 0, -1, None],
    "timestamptz": ["-infinity", "infinity", "4713-01-01 00:00 BC", "294276-01-01", None],
    "_text": [[], [None], TEXTS, ["tea"] * 10_000, None],
}


@pytest.fixture(params=["inventory_reader", "inventory_writer"])
def anyone(request: pytest.FixtureRequest, filled: Engine) -> Iterator[tuple[str, Connection]]:
    """Each role in turn, with a connection of a login that has it."""
    with login(filled, f"in role {request.param}") as conninfo, connect(conninfo, autocommit=True) as connection:
        yield request.param, connection


@pytest.fixture
def told_secrets(filled: Engine) -> Engine:
    """A receiver whose address is full of secrets, with a message that could not be delivered to it."""
    url = "https://user-secret@erp.example:8443/path-secret?token=query-secret"
    with session_on(filled) as session:
        put = put_with(session)
        endpoint = put("webhook_endpoint", url=url)
        put("webhook_secret", endpoint_id=endpoint.id, secret="whsec_hidden2")
        put("message", id="msg_1", type="stock.low", store="s1", sku="tea")
        delivery = put("delivery", message_id="msg_1", endpoint_id=endpoint.id, state="failed", attempts=1)
        error = f"OSError: {url} was not reached; /path-secret?token=query-secret"
        put("delivery_attempt", delivery_id=delivery.id, error=error, duration_ms=1)
        session.commit()
    return filled


def test_each_role_has_its_rights_and_not_one_more(anyone: tuple[str, Connection]) -> None:
    role, connection = anyone
    held = {tuple(row) for row in connection.execute(RIGHTS)}
    views = {(f"inventory_match.{name}", "SELECT") for name in DOCUMENTED if role == "inventory_reader"}
    functions = {(f"inventory_match.{name}", "EXECUTE") for name in (READS if role == "inventory_reader" else WRITES)}
    assert held == views | functions


def answer(connection: Connection, statement: str) -> str:
    """The SQLSTATE that a statement ends with; 42501 is "no right to it"."""
    try:
        connection.execute(statement)
    except Error as error:
        return error.sqlstate or str(error)
    return "done"


def test_no_way_leads_up(anyone: tuple[str, Connection]) -> None:
    _, connection = anyone
    user = connection.info.user
    held = connection.execute(RIGHTS).fetchall()
    answers = {statement: answer(connection, statement) for statement in WAYS_UP}
    assert [(statement, how) for statement, how in answers.items() if how != "42501"] == []
    assert connection.execute(RIGHTS).fetchall() == held
    assert connection.execute("select current_user = session_user and session_user = %s", (user,)).fetchone() == (True,)


def test_nothing_that_can_be_read_anywhere_shows_a_secret(anyone: tuple[str, Connection], told_secrets: Engine) -> None:
    """Every relation of every schema, the statistics, the settings, and what others are just running."""
    _, connection = anyone
    with told_secrets.connect() as owner:
        owner.execute(text("prepare kept as select 'whsec_hidden'"))
        owner.execute(text("select 'whsec_hidden', count(*) from inventory_match.webhook_secret"))
        relations = connection.execute(
            "select c.oid::regclass::text from pg_class c"
            " where c.relkind in ('r', 'v', 'm') and has_table_privilege(c.oid, 'SELECT')"
        ).fetchall()
        seen = []
        for (name,) in relations:
            with suppress(
                errors.InsufficientPrivilege, errors.ObjectNotInPrerequisiteState
            ):  # readable, yet refused inside
                rows = connection.execute(f"select t::text from {name} t").fetchall()
                seen += [(name, row[0]) for row in rows if any(hidden in (row[0] or "") for hidden in HIDDEN)]
    assert len(relations) > 100
    assert seen == []


def test_a_function_of_ones_own_in_a_query_is_shown_no_more(told_secrets: Engine) -> None:
    """A condition that tells what it is asked about runs inside the view, perhaps before the view's own conditions."""
    heard: list[str] = []
    leak = """create function pg_temp.leak(told text) returns boolean cost 0.0000001 language plpgsql as
              $$ begin raise notice '%', told; return true; end $$"""
    with (
        login(told_secrets, "in role inventory_reader") as conninfo,
        connect(conninfo, autocommit=True) as connection,
    ):
        connection.add_notice_handler(lambda notice: heard.append(notice.message_primary or ""))
        connection.execute(leak)
        for name in sorted(DOCUMENTED):
            connection.execute(f"select 1 from inventory_match.{name} v where pg_temp.leak(v::text)")
    assert any("msg_1" in one for one in heard), "it did hear something"
    assert not [one for one in heard if any(hidden in one for hidden in HIDDEN)]


def test_tables_and_functions_of_ones_own_stand_in_for_none_of_ours(filled: Engine) -> None:
    with (
        login(filled, "in role inventory_reader, inventory_writer") as conninfo,
        connect(conninfo, autocommit=True) as mine,
    ):
        before = mine.execute("select inventory_match.effective_policy('s1', 'tea')").fetchone()
        for table in ("policy_rule", "product", "store", "stock_event", "stock_watch", "encoder"):
            mine.execute(f"create temp table {table} (sku text, store text, category text, settings jsonb)")
        mine.execute(
            "create function pg_temp.now() returns timestamptz language sql as $$ select 'infinity'::timestamptz $$"
        )
        mine.execute(
            "create function pg_temp.nearest_products(text[], text, int) returns int language sql as 'select 1'"
        )
        mine.execute("set search_path = pg_temp, inventory_match, public")
        assert mine.execute("select inventory_match.effective_policy('s1', 'tea')").fetchone() == before
        mine.execute("select inventory_match.record_movement('s1', 'tea', 'sold', 1)")
        assert mine.execute("select inventory_match.similar_products('tea')").fetchall() == []
    with filled.connect() as owner:
        assert owner.execute(text("select sum(units) from inventory_match.stock_event")).scalar_one() == 1


def test_odd_arguments_are_refused_and_break_nothing(filled: Engine) -> None:
    """Every granted function, each argument in turn as odd as its type allows, the others sound."""
    sound: dict[str, object] = {
        "p_store": "s1", "p_sku": "tea", "p_kind": "received", "p_units": 1, "p_id": 1, "p_k": 3, "p_skus": ["tea"],
        "p_location": None, "p_note": "n", "p_receipt": "r", "p_observed_at": "2026-01-01",
    }  # fmt: skip
    granted = """select p.proname, p.proargnames, array(select typname::text from unnest(p.proargtypes) with ordinality a(t, i)
                 join pg_type on oid = t order by i) from pg_proc p
                 where p.pronamespace = 'inventory_match'::regnamespace and has_function_privilege(p.oid, 'execute')"""
    with (
        login(filled, "in role inventory_reader, inventory_writer") as conninfo,
        connect(conninfo, autocommit=True) as odd,
    ):
        found = odd.execute(granted).fetchall()
        assert {row[0] for row in found} == READS | WRITES
        for name, names, types in found:
            for position, kind in enumerate(types):
                for value in ODD[kind]:
                    told = {n: sound[n] for n in names[: len(types)] if n in sound} | {names[position]: value}
                    listed = ", ".join(f"{n} => %({n})s::{t}" for n, t in zip(names, types, strict=False) if n in told)
                    with suppress(errors.DataError, errors.IntegrityError, errors.RaiseException, errors.NoDataFound,
                                  errors.ObjectNotInPrerequisiteState, errors.ProgramLimitExceeded):  # fmt: skip
                        odd.execute(f"select inventory_match.{name}({listed})", told)
        for view in sorted(DOCUMENTED):
            odd.execute(f"select * from inventory_match.{view}").fetchall()
    with filled.connect() as owner:
        assert owner.execute(text("select count(*) from inventory_match.store")).scalar_one() == 1
        largest = owner.execute(text("select max(abs(units)), min(observed_at) from inventory_match.stock_event")).one()
        assert largest[0] <= 10**9


BOOK = "record_movement('s1', 'tea', 'received', "
RECEIVE = "receive_reorder({placed}, "


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (BOOK + "p_units => 9223372036854775807)", "at most"),
        (BOOK + "p_units => 1, p_observed_at => '-infinity')", "before 1970"),
        (BOOK + "p_units => 1, p_observed_at => '0044-03-15 BC')", "before 1970"),
        (BOOK + "p_units => 1, p_note => repeat('x', 5001))", "5001 of at most 5000"),
        (BOOK + "p_units => 1, p_idempotency_key => repeat('x', 501))", "501 characters of at most 500"),
        ("place_reorder({opened}, 9223372036854775807)", "at most"),
        ("place_reorder({opened}, 1000000001)", "at most"),
        (RECEIVE + "9223372036854775807)", "at most"),
        (RECEIVE + "1, null, repeat('x', 501))", "of at most 500"),
        ("cancel_reorder({opened}, repeat('x', 5001))", "5001 characters of at most 5000"),
    ],
)
def test_a_till_cannot_book_what_nobody_could_read_again(
    filled: Engine, writer: Connection, call: str, says: str
) -> None:
    """The ledger takes nothing back: two such movements, and every sum over it fails."""
    with session_on(filled) as session:
        put = put_with(session)
        put("product", sku="rice", name="Rice")
        placed = put("reorder", store="s1", sku="rice", state="placed").id
        opened = session.scalar(text("select id from inventory_match.reorder where sku = 'tea'"))
        session.commit()
    with pytest.raises(errors.CheckViolation, match=re.escape(says)):
        writer.execute("select inventory_match." + call.format(placed=placed, opened=opened))
