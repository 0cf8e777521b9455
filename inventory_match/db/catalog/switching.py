"""The switch: which encoder looks at new photos, in one short transaction, and back again; and letting old vectors go.

Whoever adds references holds the catalog's lock while writing them, and so does a switch while it checks that none is
missing: no reference can come between. Photos never wait for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from inventory_match.db.models import Encoder, ReferenceEmbedding
from inventory_match.domain.errors import Conflict, NotFound

from .builds import Count, count
from .encoders import lock_encoders
from .index import drop_index
from .products import lock

PRUNED_AT_ONCE = 10_000
"""Vectors deleted in one transaction."""


@dataclass(frozen=True, slots=True)
class Switched:
    """From which encoder to which; None where there was none before."""

    before: Encoder | None
    after: Encoder


def activate(session: Session, encoder: Encoder, *, without_failed: bool = False, incomplete: bool = False) -> Switched:
    """Lets this encoder look at new photos from the end of this transaction on; the one before it is kept to return to.

    Raises Conflict where its vectors are not complete. `without_failed`: references it failed to embed need not be there,
    `incomplete`: nor any others, such as were added since it retired. Products that have no other reference are not found
    then. An encoder that has embedded nothing of the catalog is never switched to.
    """
    lock(session)
    lock_encoders(session)
    encoder = session.get_one(Encoder, encoder.id, populate_existing=True)
    found = count(session, encoder.id)
    if encoder.pruned_at is not None:
        raise Conflict(
            f"the vectors of {encoder.name} were pruned; `inventory-match encoders build {encoder.name}` first"
        )
    allowed = found.total - 1 if incomplete else found.failed if without_failed else 0
    if found.missing and found.missing > min(allowed, found.total - 1):
        raise Conflict(_incomplete(encoder, found))
    before = session.scalar(select(Encoder).where(Encoder.state == "active", Encoder.id != encoder.id))
    now = session.scalar(select(func.now()))
    if before is not None:
        before.state, before.retired_at = "retired", now
        session.flush()  # the index of the active one allows one at a time
    if encoder.state != "active":
        encoder.state, encoder.activated_at, encoder.retired_at = "active", now, None
        session.flush()
    return Switched(before, encoder)


def previous(session: Session) -> Encoder:
    """The encoder that was active before: activated, it is this one that was. Raises NotFound where none is kept."""
    kept = select(Encoder).where(Encoder.state == "retired", Encoder.pruned_at.is_(None))
    found = session.scalar(kept.order_by(Encoder.retired_at.desc().nulls_last(), Encoder.id.desc()).limit(1))
    if found is None:
        raise NotFound("no encoder is kept to return to; `inventory-match encoders list` shows what there is")
    return found


def prune(session: Session, keep: int, older_than: timedelta) -> list[Encoder]:
    """Marks as pruned all retired encoders but the `keep` last active ones, and those retired within `older_than`.

    Photos these saw may still be under way; one that is later still sees the mark before it asks for neighbours. Returns
    every encoder so marked whose vectors are still there, for `delete_vectors`.
    """
    lock_encoders(session)
    retired = select(Encoder).where(Encoder.state == "retired", Encoder.pruned_at.is_(None))
    found = session.scalars(
        retired.order_by(Encoder.retired_at.desc().nulls_last(), Encoder.id.desc()).offset(keep)
    ).all()
    for encoder in found:
        # Waits for the photos that are being settled against it.
        free = select(func.coalesce(Encoder.retired_at < func.now() - older_than, text("true")))
        if session.scalar(free.where(Encoder.id == encoder.id).with_for_update()):
            encoder.pruned_at = session.scalar(select(func.now()))
    session.flush()
    vectors = select(ReferenceEmbedding).where(ReferenceEmbedding.encoder_id == Encoder.id)
    return list(session.scalars(select(Encoder).where(Encoder.pruned_at.is_not(None), vectors.exists())))


def delete_vectors(engine: Engine, encoder: Encoder) -> int:
    """Deletes the vectors of an encoder that is marked as pruned, and its index; returns how many. Safe to repeat."""
    # Whoever builds it again waits for each deletion: counting vectors that are about to go, it would be ready without them.
    still = select(Encoder.id).where(Encoder.id == encoder.id, Encoder.pruned_at.is_not(None))
    still = still.with_for_update(key_share=True)
    some = text(
        "delete from inventory_match.reference_embedding where encoder_id = :id and reference_id in ("
        " select reference_id from inventory_match.reference_embedding where encoder_id = :id limit :limit)"
    )
    total = 0
    while True:
        with engine.begin() as connection:
            if connection.scalar(still) is None:
                return total
            gone = connection.execute(some, {"id": encoder.id, "limit": PRUNED_AT_ONCE}).rowcount
        total += gone
        if gone < PRUNED_AT_ONCE:
            drop_index(
                engine, encoder
            )  # last: an encoder that is built again meanwhile keeps it, or makes its own anew
            return total


def _incomplete(encoder: Encoder, found: Count) -> str:
    says = f"{encoder.name} is not complete: {found.missing} of {found.total} references have no vector by it"
    if found.failed:
        says += f", {found.failed} of them failed ({found.last_failure})"
    if encoder.state == "retired":
        says += "; workers embed what was added since within seconds, `encoders rollback --incomplete` does not wait for them"
    return f"{says}; `inventory-match encoders build {encoder.name}` goes on, `encoders list` shows how far it is"
