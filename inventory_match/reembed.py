"""Gives an encoder the vectors it lacks: after `encoders build` all of the catalog's, later those of new references.

One step takes a few references: fetch from the bucket ─► decode ─► embed, then one short transaction. A step is small, so
that a worker comes back to its photos, and what a killed worker had in hand is a second's work. Steps are asked for by a
Celery task that asks again, by a chore where that was lost, or by `encoders build --here`.

Where a step died, one of its references may have killed it. So the next one goes `alone`: one reference after the other,
each noted as a failure before it is touched and cleared of it afterwards. The guilty one dies alone, twice, and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import structlog

from inventory_match.db import catalog
from inventory_match.db.catalog import builds
from inventory_match.db.catalog.builds import Lacking
from inventory_match.domain.errors import ConfigurationError, Permanent, Transient
from inventory_match.domain.photos import ObjectRef

if TYPE_CHECKING:
    from inventory_match import ports
    from inventory_match.db.engine import UnitOfWork
    from inventory_match.encoder_files import EncoderFiles
    from inventory_match.vision.weights import EncoderRecord

_log = structlog.get_logger(__name__)
STEP = 32
"""References a step at most; where the rate is lower, about a second's worth."""
STEP_BYTES = 128 * 2**20
"""Pixels in memory at once."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """What embedding the catalog anew needs. `rate`: references a second over all workers, 0 for no bound.

    `index_above`: from so many references on an encoder gets an index, by `index_method`.
    """

    store: ports.PhotoStore
    decode: ports.Decoder
    files: EncoderFiles
    rate: float
    index_above: int
    index_method: catalog.Method


def begin(workshop: Workshop, unit_of_work: UnitOfWork, record: EncoderRecord) -> catalog.Encoder:
    """The row of an encoder that is to embed the catalog: its file was tried and is kept in the bucket, failures are forgotten.

    Raises ConfigurationError where the file does not work.
    """
    network = workshop.files.make(record)
    vector = network.embed([np.full((32, 32, 3), 128, np.uint8)])
    if vector.shape != (1, record.dim) or not np.isfinite(vector).all():
        raise ConfigurationError(f"{record.path}: gives no vector of {record.dim} numbers; train it again")
    bucket, key = workshop.files.keep(record)
    with unit_of_work() as session:
        encoder = catalog.add_encoder(session, record, record.thresholds)
        catalog.set_file(session, encoder, bucket, key)
        builds.forget_failures(session, encoder_id=encoder.id)
    return encoder


def step(workshop: Workshop, unit_of_work: UnitOfWork, encoder_id: int, *, alone: bool = False) -> float | None:
    """Embeds the next references of the encoder; returns the seconds to wait before the next step is asked for.

    None: none needs to be, because all is done, or because somebody else is at it. `alone`: the step before may have died,
    see above; it does not wait for its turn. Raises ConfigurationError where the encoder's file cannot be had, Transient
    errors where a server does not answer: then this step never happened.
    """
    size = min(STEP, max(1, round(workshop.rate))) if workshop.rate else STEP
    with builds.only_builder(unit_of_work.engine, encoder_id) as mine:
        if not mine:
            return None
        with unit_of_work() as session:
            row = session.get_one(catalog.Encoder, encoder_id)
            batch = [] if row.pruned_at else builds.lacking(session, encoder_id, size)
            if batch and not builds.take_turn(session, encoder_id, len(batch), workshop.rate) and not alone:
                return builds.seconds_to_turn(session, encoder_id)
        if not batch:
            _finish(workshop, unit_of_work, row)
            return None
        try:
            _embed(workshop, unit_of_work, row, batch, alone=alone)
        except (Transient, ConfigurationError):  # a server's fault or this host's, not the reference's
            with unit_of_work() as session:
                builds.withdraw_careful(session, encoder_id, [one.id for one in batch])
            raise
    with unit_of_work() as session:
        return builds.seconds_to_turn(session, encoder_id)


def _embed(
    workshop: Workshop, unit_of_work: UnitOfWork, row: catalog.Encoder, batch: Sequence[Lacking], *, alone: bool
) -> None:
    encoder = workshop.files.encoder(row)
    for part in _opened(workshop, unit_of_work, row.id, batch, alone=alone):
        vectors = encoder.embed([image for _, image in part])
        found = [(one.id, one.sku, vector) for (one, _), vector in zip(part, vectors, strict=True)]
        with unit_of_work() as session:
            if alone:
                builds.withdraw_careful(session, row.id, [one.id for one, _ in part])
            builds.write_vectors(session, row.id, found)


def _opened(
    workshop: Workshop, unit_of_work: UnitOfWork, encoder_id: int, batch: Sequence[Lacking], *, alone: bool
) -> Iterator[list[tuple[Lacking, ports.Image]]]:
    """The references and their pixels, as many at once as memory should hold. One that cannot be read stops no other.

    Where S3 refuses all of them, the fault is not theirs but this host's (its rights, its clock): ConfigurationError, and
    nothing is held against them.
    """
    held: list[tuple[Lacking, ports.Image]] = []
    refused: list[tuple[Lacking, Permanent]] = []
    some = False
    for one in batch:
        if alone:
            with unit_of_work() as session:
                builds.note_careful(session, encoder_id, one.id, one.sku)
        try:
            image = workshop.decode(workshop.store.fetch(ObjectRef(one.bucket, one.key, None, ""))).image
        except Permanent as error:
            refused.append((one, error))
            some |= not isinstance(error, ConfigurationError)
            continue
        some = True
        held.append((one, image))
        if alone or sum(pixels.nbytes for _, pixels in held) >= STEP_BYTES:
            yield held
            held = []
    if refused and not some:
        raise refused[-1][1]
    for one, cause in refused:
        _log.warning("reference not embedded", reference_id=one.id, sku=one.sku, cause=str(cause))
        with unit_of_work() as session:
            builds.note_failure(session, encoder_id, one.id, f"{one.sku}: {cause}")
    if held:
        yield held


def _finish(workshop: Workshop, unit_of_work: UnitOfWork, row: catalog.Encoder) -> None:
    """The index first: an encoder that is ready answers as fast as the one before it."""
    if row.pruned_at is None:
        catalog.ensure_index(unit_of_work.engine, row, workshop.index_above, workshop.index_method)
        with unit_of_work() as session:
            builds.complete(session, row.id)
