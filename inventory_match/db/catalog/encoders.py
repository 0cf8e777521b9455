"""Which encoder made the vectors, and the index each encoder gets.

One encoder is active at a time: vectors of two are not comparable, so a worker that runs another one must not search.
"""

from __future__ import annotations

import json
from typing import Protocol

from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.orm import Session

from inventory_match.db.models import Encoder
from inventory_match.domain.errors import ConfigurationError
from inventory_match.domain.matching import Thresholds

OPERATORS = {"cosine": ("<=>", "halfvec_cosine_ops"), "euclidean": ("<->", "halfvec_l2_ops")}
"""Metric to pgvector's distance operator and the operator class that indexes it."""
MAX_INDEXED_DIM = 4000
"""pgvector's cap for HNSW on halfvec."""


class EncoderRecord(Protocol):
    """What an encoder file says of itself."""

    @property
    def name(self) -> str: ...
    @property
    def arch(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def dim(self) -> int: ...
    @property
    def metric(self) -> str: ...
    def to_json(self) -> str: ...


def register_encoder(session: Session, record: EncoderRecord, thresholds: Thresholds) -> Encoder:
    """The encoder's row, made where it is new; the first one becomes active.

    Raises ConfigurationError where another one is active.
    """
    session.execute(text("select pg_advisory_xact_lock(hashtext('inventory_match.encoder'))"))
    active = _active(session)
    if active is not None and active.sha256 != record.sha256:
        raise _other_is_active(active, record.name, record.sha256)
    if active is None:
        active = session.scalar(select(Encoder).where(Encoder.sha256 == record.sha256)) or Encoder(
            name=record.name,
            arch=record.arch,
            sha256=record.sha256,
            dim=record.dim,
            metric=record.metric,
            record=json.loads(record.to_json()),
        )
        active.state, active.activated_at = "active", session.scalar(select(func.now()))
        session.add(active)
    active.thresholds = thresholds.as_dict()
    session.flush()
    return active


def has_active_encoder(session: Session) -> bool:
    """False where nothing has ever been embedded."""
    return _active(session) is not None


def active_encoder(session: Session, sha256: str) -> Encoder:
    """The row of the encoder a worker runs. Raises ConfigurationError where that is not the active one."""
    active = _active(session)
    if active is None:
        raise ConfigurationError("no encoder is active; import a catalog: `inventory-match catalog import FILE.csv`")
    if active.sha256 != sha256:
        raise _other_is_active(active, "the configured encoder", sha256)
    return active


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


def _active(session: Session) -> Encoder | None:
    return session.scalar(select(Encoder).where(Encoder.state == "active"))


def _other_is_active(active: Encoder, name: str, sha256: str) -> ConfigurationError:
    return ConfigurationError(
        f"the vectors of this database were made by the encoder {active.name} (sha256 {active.sha256[:12]}…), and"
        f" {name} is another one (sha256 {sha256[:12]}…); set INVENTORY_MATCH_ENCODER_FILE to the file of {active.name},"
        " or use a database of its own for the new one"
    )
