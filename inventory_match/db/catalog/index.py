"""The approximate index each encoder gets once its references are many: partial, of its own dimension and metric."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, text

from inventory_match.db.models import Encoder

OPERATORS = {"cosine": ("<=>", "halfvec_cosine_ops"), "euclidean": ("<->", "halfvec_l2_ops")}
"""Metric to pgvector's distance operator and the operator class that indexes it."""
MAX_INDEXED_DIM = 4000
"""pgvector's cap for HNSW on halfvec."""


def ensure_index(engine: Engine, encoder: Encoder, above: int) -> bool:
    """Builds the encoder's HNSW index, once it has more than `above` references; True where it was built now.

    Built concurrently, so that matching goes on meanwhile; the same call by another process at the same time does nothing.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        count = "select count(*) from inventory_match.reference_embedding where encoder_id = :id"
        if (connection.scalar(text(count), {"id": encoder.id}) or 0) <= above or encoder.dim > MAX_INDEXED_DIM:
            return False
        lock = {"name": index_name(encoder)}
        if not connection.scalar(text("select pg_try_advisory_lock(hashtext(:name))"), lock):
            return False
        try:
            return _build(connection, encoder)
        finally:
            connection.execute(text("select pg_advisory_unlock(hashtext(:name))"), lock)


def drop_index(engine: Engine, encoder: Encoder) -> None:
    """Takes the encoder's index away, while matching goes on."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"drop index concurrently if exists inventory_match.{index_name(encoder)}"))


def index_name(encoder: Encoder) -> str:
    return f"hnsw_reference_embedding_{encoder.id}"


def _build(connection: Connection, encoder: Encoder) -> bool:
    name = index_name(encoder)
    valid = connection.scalar(
        text("select i.indisvalid from pg_index i where i.indexrelid = to_regclass(:name)"),
        {"name": f"inventory_match.{name}"},
    )
    if valid:
        return False
    connection.execute(text("set statement_timeout = 0"))
    try:
        # What an interrupted build left behind is never used by the planner and costs every insert.
        connection.execute(text(f"drop index concurrently if exists inventory_match.{name}"))
        connection.execute(
            text(
                f"create index concurrently {name} on inventory_match.reference_embedding"
                f" using hnsw ((embedding::halfvec({encoder.dim:d})) {OPERATORS[encoder.metric][1]})"
                f" where encoder_id = {encoder.id:d}"
            )
        )
        connection.execute(text("analyze inventory_match.reference_embedding"))
    finally:
        connection.execute(text("reset statement_timeout"))
    return True
