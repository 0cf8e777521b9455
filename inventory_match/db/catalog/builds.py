"""Embedding a catalog anew, in rows: who may do the next few references, which they are, and what became of them.

An encoder's missing references are those without a vector by it: there is no list to lose, and whoever comes next goes on
where the last one stopped. One builder an encoder at a time, by an advisory lock that ends with its connection; the pace is
kept in a row, so that it holds over all workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from inventory_match.db.models import Encoder

from .encoders import lock_encoders
from .products import copy_embeddings, lock

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EARLY = 0.1
"""Seconds a builder may come before its turn: clocks of two machines are never quite alike."""
_LACKING = (
    "from inventory_match.reference_photo p where p.id > :after"
    " and not exists (select from inventory_match.reference_embedding e where e.encoder_id = :id and e.reference_id = p.id)"
    " and not exists (select from inventory_match.encoder_failure f"
    "   where f.encoder_id = :id and f.reference_id = p.id and position(:once in f.cause) = 0)"
)
ONCE = "its worker ended, or could not write, with this reference alone in hand; it is tried once more"
TWICE = "its worker died twice, or failed, with this reference alone in hand; `inventory-match encoders build` tries it again"
"""A power cut, or a database restarted just then, says nothing of a reference; when it happens again, it does."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """A reference photo without a vector."""

    id: int
    sku: str
    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class Count:
    """How far an encoder is: references of the catalog, those without its vector, and those of them it could not embed."""

    total: int
    missing: int
    failed: int
    last_failure: str | None


@contextmanager
def only_builder(engine: Engine, encoder_id: int) -> Iterator[bool]:
    """Whether this process is the one that embeds for the encoder now; it is until the end of the block, or its own."""
    key = {"name": f"inventory_match.build.{encoder_id}"}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        mine = bool(connection.scalar(text("select pg_try_advisory_lock(hashtext(:name))"), key))
        try:
            yield mine
        finally:
            if mine:
                connection.execute(text("select pg_advisory_unlock(hashtext(:name))"), key)


def seconds_to_turn(session: Session, encoder_id: int) -> float:
    """Until more references may be embedded by this encoder; 0 where they may now."""
    statement = text(
        "select extract(epoch from next_at - clock_timestamp())::float8 from inventory_match.encoder_build"
        " where encoder_id = :id"
    )
    return max(0.0, session.scalar(statement, {"id": encoder_id}) or 0.0)


def take_turn(session: Session, encoder_id: int, references: int, rate: float) -> bool:
    """Whether this many references may be embedded now, and if so sets when the next ones may: `rate` a second, 0 no bound."""
    values = {"id": encoder_id, "seconds": references / rate if rate else 0.0}
    session.execute(text("insert into inventory_match.encoder_build values (:id) on conflict do nothing"), values)
    if seconds_to_turn(session, encoder_id) > EARLY:
        return False
    session.execute(
        text(
            "update inventory_match.encoder_build set next_at = clock_timestamp() + :seconds * interval '1 second'"
            " where encoder_id = :id"
        ),
        values,
    )
    return True


def lacking(session: Session, encoder_id: int, limit: int) -> list[Lacking]:
    """The next references to embed, in order of id. Empty: all are, but for those that failed."""
    after = session.scalar(
        text("select coalesce(max(reference_id), 0) from inventory_match.reference_embedding where encoder_id = :id"),
        {"id": encoder_id},
    )
    statement = text(f"select p.id, p.sku, p.bucket, p.key {_LACKING} order by p.id limit :limit")
    for start in (after, 0):  # past the last one first; then what was left out, or committed late under a lower id
        values = {"id": encoder_id, "after": start, "limit": limit, "once": ONCE}
        if found := session.execute(statement, values).all():
            return [Lacking(*row) for row in found]
    return []


def write_vectors(session: Session, encoder_id: int, rows: Sequence[tuple[int, str, NDArray[np.floating]]]) -> int:
    """Stores (reference id, sku, vector of shape (dim,)) where they still lack; returns how many.

    Meanwhile a reference may have been embedded by an import or withdrawn by a reviewer, and the encoder pruned: then nobody
    would delete its vectors, and none is written.
    """
    lock(session)
    kept = select(Encoder.id).where(Encoder.id == encoder_id, Encoder.pruned_at.is_(None))
    if session.scalar(kept.with_for_update(read=True, key_share=True)) is None:
        return 0
    wanted = set(
        session.scalars(
            text(f"select p.id {_LACKING} and p.id = any(:ids)"),
            {"id": encoder_id, "after": 0, "ids": [row[0] for row in rows], "once": ONCE},
        )
    )
    written = copy_embeddings(session, encoder_id, (row for row in rows if row[0] in wanted))
    session.execute(
        text(
            "update inventory_match.encoder_build b set last_at = now.at,"
            " rate = case when now.seconds < 60 then 0.8 * coalesce(rate, :n / now.seconds) + 0.2 * :n / now.seconds end"
            " from (select clock_timestamp() as at, extract(epoch from clock_timestamp() - last_at)::float8 + 0.001 as seconds"
            "       from inventory_match.encoder_build where encoder_id = :id) now"
            " where b.encoder_id = :id"
        ),
        {"id": encoder_id, "n": float(written)},
    )
    return written


def note_failure(session: Session, encoder_id: int, reference_id: int, cause: str) -> None:
    """Keeps why a reference could not be embedded; it is left out until `forget_failures`. Nothing, if it was withdrawn."""
    session.execute(
        text(
            "insert into inventory_match.encoder_failure (encoder_id, reference_id, cause)"
            " select :encoder, id, :cause from inventory_match.reference_photo where id = :reference for key share"
            " on conflict (encoder_id, reference_id) do update set cause = excluded.cause, at = now()"
        ),
        {"encoder": encoder_id, "reference": reference_id, "cause": cause.replace("\x00", "\\u0000")},
    )


def note_careful(session: Session, encoder_id: int, reference_id: int, sku: str) -> None:
    """Before a reference is touched alone: what is to be held against it if nobody comes back to withdraw this."""
    session.execute(
        text(
            "insert into inventory_match.encoder_failure (encoder_id, reference_id, cause)"
            " select :encoder, id, :first from inventory_match.reference_photo where id = :reference for key share"
            " on conflict (encoder_id, reference_id) do update set cause = :again, at = now()"
        ),
        {"encoder": encoder_id, "reference": reference_id, "first": f"{sku}: {ONCE}", "again": f"{sku}: {TWICE}"},
    )


def withdraw_careful(session: Session, encoder_id: int, references: Sequence[int]) -> None:
    """Takes back what `note_careful` noted of these references."""
    session.execute(
        text(
            "delete from inventory_match.encoder_failure"
            " where encoder_id = :id and reference_id = any(:references)"
            " and (position(:once in cause) > 0 or position(:twice in cause) > 0)"
        ),
        {"id": encoder_id, "references": list(references), "once": ONCE, "twice": TWICE},
    )


def failed(session: Session) -> set[tuple[str, str]]:
    """(sku, content hash) of every reference that some encoder could not embed."""
    rows = session.execute(
        text(
            "select distinct p.sku, p.content_hash from inventory_match.encoder_failure f"
            " join inventory_match.reference_photo p on p.id = f.reference_id"
        )
    )
    return {(row.sku, row.content_hash) for row in rows}


def forget_failures(
    session: Session, *, encoder_id: int | None = None, references: Sequence[int] | None = None
) -> None:
    """Lets references that failed be tried again: those of an encoder, or these."""
    session.execute(
        text("delete from inventory_match.encoder_failure where encoder_id = :id or reference_id = any(:references)"),
        {"id": encoder_id, "references": list(references or ())},
    )


def count(session: Session, encoder_id: int) -> Count:
    """How far an encoder is."""
    row = session.execute(
        text(
            "select (select count(*) from inventory_match.reference_photo),"
            "  (select count(*) from inventory_match.reference_photo p where not exists (select from"
            "     inventory_match.reference_embedding e where e.encoder_id = :id and e.reference_id = p.id)),"
            "  count(*), (array_agg(cause order by at desc))[1]"
            " from inventory_match.encoder_failure where encoder_id = :id"
        ),
        {"id": encoder_id},
    ).one()
    return Count(*row)


def complete(session: Session, encoder_id: int) -> bool:
    """Makes a building encoder ready, if no reference is without its vector; True where it is ready, or was in use anyway."""
    lock(session)
    lock_encoders(session)
    encoder = session.get_one(Encoder, encoder_id, populate_existing=True)
    if encoder.state == "building" and count(session, encoder_id).missing == 0:
        encoder.state = "ready"
        session.flush()
    return encoder.state != "building"


def idle_builds(session: Session) -> list[int]:
    """Ids of the encoders that are kept, lack vectors and have nobody at work on them for some seconds."""
    kept = session.scalars(select(Encoder.id).where(Encoder.pruned_at.is_(None)).order_by(Encoder.id)).all()
    busy = set(
        session.scalars(
            # `last_at` as well: a step of a large network takes longer, and each extra kick would be one more that goes on.
            text(
                "select encoder_id from inventory_match.encoder_build"
                " where greatest(next_at, last_at) > now() - interval '5 seconds'"
            )
        )
    )
    return [one for one in kept if one not in busy and (lacking(session, one, 1) or _unfinished(session, one))]


def _unfinished(session: Session, encoder_id: int) -> bool:
    """Whether all is embedded and it was not yet said."""
    state = session.scalar(select(Encoder.state).where(Encoder.id == encoder_id))
    return state == "building" and count(session, encoder_id).missing == 0
