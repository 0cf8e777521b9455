"""Which encoder made the vectors.

One encoder is active at a time: vectors of two are not comparable, so a worker that runs another one must not search.
"""

from __future__ import annotations

import json
from typing import Protocol

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from inventory_match.db.models import Encoder
from inventory_match.domain.errors import ConfigurationError
from inventory_match.domain.matching import Thresholds

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


def _active(session: Session) -> Encoder | None:
    return session.scalar(select(Encoder).where(Encoder.state == "active"))


def _other_is_active(active: Encoder, name: str, sha256: str) -> ConfigurationError:
    return ConfigurationError(
        f"the vectors of this database were made by the encoder {active.name} (sha256 {active.sha256[:12]}…), and"
        f" {name} is another one (sha256 {sha256[:12]}…); set INVENTORY_MATCH_ENCODER_FILE to the file of {active.name},"
        " or use a database of its own for the new one"
    )
