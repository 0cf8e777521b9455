"""Which encoders there are, which one is active, and whose vectors a photo may be compared with.

One encoder is active at a time: it looks at new photos. Vectors of two are not comparable, so a photo that was seen when
another was activated is settled against the vectors of the encoder that saw it; these stay until they are pruned.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import false, func, or_, select, text
from sqlalchemy.orm import Session

from inventory_match.db.models import Encoder
from inventory_match.domain.errors import ConfigurationError, Conflict, EncoderPruned, NotFound
from inventory_match.domain.matching import Thresholds

SHOWN_SHA = 12
"""Characters of a sha256 that people are shown and may type."""


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
    """The encoder's row, made where it is new; the first one becomes active. Known ones keep their thresholds.

    Raises ConfigurationError where another one is active.
    """
    lock_encoders(session)
    active = _active(session)
    if active is not None and active.sha256 != record.sha256:
        raise ConfigurationError(
            f"the vectors of this database were made by the encoder {active.name} (sha256 {active.sha256[:SHOWN_SHA]}…), and"
            f" {record.name} is another one (sha256 {record.sha256[:SHOWN_SHA]}…); `inventory-match encoders build FILE`"
            " embeds the catalog with it, and `encoders activate` switches"
        )
    if active is None:
        active = add_encoder(session, record, thresholds)
        active.state, active.activated_at = "active", session.scalar(select(func.now()))
        session.flush()
    return active


def add_encoder(session: Session, record: EncoderRecord, thresholds: Thresholds) -> Encoder:
    """The encoder's row; a new one, or one whose vectors were pruned, is `building`. Known ones keep their thresholds."""
    lock_encoders(session)
    encoder = session.scalar(select(Encoder).where(Encoder.sha256 == record.sha256))
    if encoder is None:
        encoder = Encoder(
            name=record.name,
            arch=record.arch,
            sha256=record.sha256,
            dim=record.dim,
            metric=record.metric,
            record=json.loads(record.to_json()),
            thresholds=thresholds.as_dict(),
            state="building",
        )
        session.add(encoder)
    elif encoder.pruned_at is not None:
        encoder.state, encoder.pruned_at = "building", None
    session.flush()
    return encoder


def lock_encoders(session: Session) -> None:
    """Keeps states as they are until this transaction ends. Where the catalog is locked too, it comes first."""
    session.execute(text("select pg_advisory_xact_lock(hashtext('inventory_match.encoder'))"))


def has_active_encoder(session: Session) -> bool:
    """False where nothing has ever been embedded."""
    return _active(session) is not None


def active_encoder(session: Session, sha256: str | None = None) -> Encoder:
    """The row of the active encoder.

    Raises ConfigurationError where none is, and Conflict where one was asked for by its sha256 and another is active by now.
    """
    active = _active(session)
    if active is None:
        raise ConfigurationError("no encoder is active; import a catalog: `inventory-match catalog import FILE.csv`")
    if sha256 not in (None, active.sha256):
        raise Conflict(f"the encoder {active.name} was activated meanwhile, nothing was written; do it again")
    return active


def encoder_that_saw(session: Session, sha256: str) -> Encoder:
    """The row of the encoder a photo was seen with, active or not, whose vectors stay until this transaction ends.

    Raises EncoderPruned where they are gone, so that the photo is seen again, and ConfigurationError where the database
    never had any.
    """
    # The weakest lock there is: a switch does not wait for it, only a prune does.
    statement = select(Encoder).where(Encoder.sha256 == sha256).with_for_update(read=True, key_share=True)
    encoder = session.scalar(statement.execution_options(populate_existing=True))
    if encoder is None:
        raise ConfigurationError(f"this database knows no encoder with sha256 {sha256[:SHOWN_SHA]}…")
    if encoder.pruned_at is not None or encoder.state == "building":
        raise EncoderPruned(f"the vectors of {encoder.name}, which saw this photo, were pruned; it is seen again")
    return encoder


def encoders(session: Session) -> Sequence[Encoder]:
    """All there ever were, in order of coming."""
    return session.scalars(select(Encoder).order_by(Encoder.id)).all()


def encoder_named(session: Session, name: str) -> Encoder:
    """The encoder of this name, or whose sha256 begins so (at least four characters).

    Raises NotFound, and Conflict where several are meant.
    """
    begins = Encoder.sha256.startswith(name.lower(), autoescape=True) if len(name) >= 4 else false()
    found = session.scalars(select(Encoder).where(or_(Encoder.name == name, begins)).order_by(Encoder.id)).all()
    if not found:
        raise NotFound(f"there is no encoder {name!r}; `inventory-match encoders list` shows them")
    if len(found) > 1:
        meant = ", ".join(one.sha256[:SHOWN_SHA] for one in found)
        raise Conflict(f"several encoders are called {name!r}; name one by the beginning of its sha256: {meant}")
    return found[0]


def set_thresholds(session: Session, encoder: Encoder, thresholds: Thresholds) -> None:
    """What was calibrated; the next photo is decided with it."""
    encoder.thresholds = thresholds.as_dict()
    session.add(encoder)
    session.flush()


def set_file(session: Session, encoder: Encoder, bucket: str, key: str) -> None:
    """Where the encoder's file is kept."""
    encoder.bucket, encoder.key = bucket, key
    session.add(encoder)
    session.flush()


def _active(session: Session) -> Encoder | None:
    return session.scalar(select(Encoder).where(Encoder.state == "active"))
