"""The approximate index each encoder gets once its references are many: partial, of its own dimension and metric.

HNSW finds more for the same time and stays good as rows come; IVFFlat (inverted lists) is built in a fraction of the time
and memory, from the rows there are: after the catalog has grown several times over, drop and build it again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil, sqrt
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session

from inventory_match.db.engine import database_errors
from inventory_match.db.models import Encoder

Method: TypeAlias = Literal["hnsw", "ivfflat"]
METHODS: tuple[Method, ...] = ("hnsw", "ivfflat")
OPERATORS = {"cosine": ("<=>", "halfvec_cosine_ops"), "euclidean": ("<->", "halfvec_l2_ops")}
"""Metric to pgvector's distance operator and the operator class that indexes it."""
MAX_INDEXED_DIM = 4000
"""pgvector's cap for indexes on halfvec."""
_ASK_AGAIN = 0.2
"""Seconds."""
EF_SEARCH = (200, 1000)
"""Least and most candidates HNSW keeps while it searches; twice the pool between them. More of them: better recall, slower."""


def ensure_index(engine: Engine, encoder: Encoder, above: int, method: Method = "hnsw") -> bool:
    """Builds the encoder's index, once it has more than `above` references; True where it was built now.

    Built concurrently, so that matching goes on meanwhile; the same call by another process at the same time does nothing.
    Where the encoder has an index of the other method, that one goes once the new one is there. Waits while that of
    another encoder is built.
    """
    with _unhurried(engine) as connection:
        count = "select count(*) from inventory_match.reference_embedding where encoder_id = :id"
        rows = connection.scalar(text(count), {"id": encoder.id}) or 0
        if rows <= above or encoder.dim > MAX_INDEXED_DIM or _in_order(connection, encoder, method):
            return False
        lock = {"name": index_name(encoder)}
        if not connection.scalar(text("select pg_try_advisory_lock(hashtext(:name))"), lock):
            return False
        try:
            with _only_one(connection):
                return _build(connection, encoder, method, rows)
        finally:
            connection.execute(text("select pg_advisory_unlock(hashtext(:name))"), lock)


def drop_index(engine: Engine, encoder: Encoder) -> None:
    """Takes the encoder's index away, while matching goes on."""
    with _unhurried(engine) as connection, _only_one(connection):
        for method in METHODS:
            _drop(connection, encoder, method)


def index_name(encoder: Encoder, method: Method = "hnsw") -> str:
    return f"{method}_reference_embedding_{encoder.id}"


def inverted_lists(rows: int) -> int:
    """How many lists IVFFlat gets by pgvector's rule: a thousandth of the rows, above a million their root."""
    return max(1, round(rows / 1000 if rows <= 1_000_000 else sqrt(rows)))


def scan_settings(session: Session, encoder: Encoder, pool: int) -> dict[str, str]:
    """How the encoder's index is to be searched for `pool` references, as settings of a transaction; none without index.

    Both go on searching while the filter is not content. IVFFlat begins with the root of its lists (pgvector's rule) and
    hands over nearly in order, which is enough: what it hands over is sorted again.
    """
    statement = (
        "select a.amname as method, c.reloptions as options from pg_class c join pg_am a on a.oid = c.relam"
        " join pg_index i on i.indexrelid = c.oid and i.indisvalid where c.oid = any("
        " array[to_regclass(:hnsw), to_regclass(:ivfflat)]) order by a.amname limit 1"
    )
    names: dict[str, str] = {method: f"inventory_match.{index_name(encoder, method)}" for method in METHODS}
    found: Any = session.execute(text(statement), names).one_or_none()
    if found is None:
        return {}
    if found.method == "hnsw":
        least, most = EF_SEARCH
        return {"hnsw.iterative_scan": "strict_order", "hnsw.ef_search": str(min(most, max(least, 2 * pool)))}
    lists = int(dict(option.split("=") for option in found.options)["lists"])
    return {"ivfflat.iterative_scan": "relaxed_order", "ivfflat.probes": str(ceil(sqrt(lists)))}


def _valid(connection: Connection, encoder: Encoder, method: Method) -> bool | None:
    """None: there is no such index."""
    found: bool | None = connection.scalar(
        text("select i.indisvalid from pg_index i where i.indexrelid = to_regclass(:name)"),
        {"name": f"inventory_match.{index_name(encoder, method)}"},
    )
    return found


def _in_order(connection: Connection, encoder: Encoder, method: Method) -> bool:
    """Whether there is nothing to do: looked at before waiting for the index of another encoder."""
    others = (_valid(connection, encoder, other) for other in METHODS if other != method)
    return bool(_valid(connection, encoder, method)) and all(other is None for other in others)


def _build(connection: Connection, encoder: Encoder, method: Method, rows: int) -> bool:
    name = index_name(encoder, method)
    if _valid(connection, encoder, method):
        _drop_others(connection, encoder, method)
        return False
    options = f" with (lists = {inverted_lists(rows):d})" if method == "ivfflat" else ""
    # What an interrupted build left behind is never used by the planner and costs every insert.
    _drop(connection, encoder, method)
    connection.execute(
        text(
            f"create index concurrently {name} on inventory_match.reference_embedding"
            f" using {method} ((embedding::halfvec({encoder.dim:d})) {OPERATORS[encoder.metric][1]}){options}"
            f" where encoder_id = {encoder.id:d}"
        )
    )
    _drop_others(connection, encoder, method)
    connection.execute(text("analyze inventory_match.reference_embedding"))
    return True


@contextmanager
def _unhurried(engine: Engine) -> Iterator[Connection]:
    """Without limits of time: what is done concurrently waits for every transaction under way, a backup's too."""
    limits = "statement_timeout", "lock_timeout"
    with database_errors(), engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for limit in limits:
            connection.execute(text(f"set {limit} = 0"))
        try:
            yield connection
        finally:
            for limit in limits:
                connection.execute(text(f"reset {limit}"))


@contextmanager
def _only_one(connection: Connection) -> Iterator[None]:
    """One index is made or dropped at a time: two on the same table wait for each other, until Postgres ends one.

    Asks again and again, because even a statement that waits for its turn is one the other waits for.
    """
    lock = {"name": "inventory_match.index"}
    while not connection.scalar(text("select pg_try_advisory_lock(hashtext(:name))"), lock):
        time.sleep(_ASK_AGAIN)
    try:
        yield
    finally:
        connection.execute(text("select pg_advisory_unlock(hashtext(:name))"), lock)


def _drop_others(connection: Connection, encoder: Encoder, method: Method) -> None:
    for other in METHODS:
        if other != method:
            _drop(connection, encoder, other)


def _drop(connection: Connection, encoder: Encoder, method: Method) -> None:
    connection.execute(text(f"drop index concurrently if exists inventory_match.{index_name(encoder, method)}"))
