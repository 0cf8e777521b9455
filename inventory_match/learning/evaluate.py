"""How well photos find their product, measured by what serves: the same decoder, encoder, SQL query and `decide`.

The references become a catalog in a database made for the purpose (`enrol`); each query is asked as a crop of a photo would
be (`ask`). What is not used is the quality limits of shelf photos: they judge cameras, not retrieval, and bad photos belong
to what is measured.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from pgvector import HalfVector
from sqlalchemy import text

from inventory_match.db import catalog
from inventory_match.db.catalog import Encoder, ProductFacts, Reference
from inventory_match.db.catalog.index import OPERATORS
from inventory_match.domain.matching import Evidence, decide
from inventory_match.learning.figures import UNKNOWN, Answered

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session

    from inventory_match import ports
    from inventory_match.db.catalog.encoders import EncoderRecord
    from inventory_match.db.catalog.index import Method
    from inventory_match.db.engine import UnitOfWork
    from inventory_match.domain.matching import Candidate
    from inventory_match.learning.labelled import Labelled
    from inventory_match.learning.robustness import Spoil
    from inventory_match.pipeline import Rules

BATCH = 32
TOP = 5

Progress = Callable[[int], None]
"""Told at each step how many photos are done."""


@dataclass(frozen=True, slots=True)
class Serving:
    """The parts that serve, on a migrated database with an empty catalog. `record` describes the file of `encoder`."""

    unit_of_work: UnitOfWork
    decode: ports.Decoder
    encoder: ports.Encoder
    record: EncoderRecord
    rules: Rules
    engine: Engine
    index_method: Method = "hnsw"


@dataclass(frozen=True)
class Enrolled:
    """References in the database, with their vectors."""

    serving: Serving
    encoder: Encoder
    references: Sequence[Labelled]

    @cached_property
    def share(self) -> Counter[str]:
        """How many references each product has."""
        return Counter(one.sku for one in self.references)

    @cached_property
    def by_source(self) -> dict[str, Labelled]:
        return {one.source: one for one in self.references}


@dataclass(frozen=True, slots=True)
class Asked:
    """The answer to each query, its vector, shape (n, dim), and how long all took, in seconds."""

    queries: Sequence[Labelled]
    answered: list[Answered]
    vectors: ports.Embeddings
    seconds: float


def enrol(serving: Serving, references: Sequence[Labelled], progress: Progress) -> Enrolled:
    """Fills the catalog with `references`. Raises InvalidInput for a photo nobody can read."""
    with serving.unit_of_work() as session:
        encoder = catalog.register_encoder(session, serving.record, serving.rules.thresholds)
    for batch in _batches(references):
        vectors = serving.encoder.embed([one.pixels(serving.decode) for one in batch])
        kept = [Reference(one.sku, one.source, "scratch", one.source, one.source) for one in batch]
        with serving.unit_of_work() as session:
            catalog.upsert_products(session, [ProductFacts(sku) for sku in sorted({one.sku for one in batch})])
            ids = catalog.add_references(session, kept)
            rows = zip(ids, (one.sku for one in batch), vectors, strict=True)
            catalog.copy_embeddings(session, encoder.id, rows)
        progress(len(batch))
    with serving.unit_of_work() as session:
        session.execute(text("analyze inventory_match.reference_embedding"))
    catalog.ensure_index(serving.engine, encoder, serving.rules.search_exactly_below, serving.index_method)
    return Enrolled(serving, encoder, references)


def ask(enrolled: Enrolled, queries: Sequence[Labelled], progress: Progress, spoil: Spoil | None = None) -> Asked:
    """Asks every query, at least one, each crop through `spoil` where there is one.

    A query whose sku no reference has is one of an unknown product. Raises InvalidInput for a photo nobody can read.
    """
    answered: list[Answered] = []
    made: list[ports.Embeddings] = []
    seconds = 0.0
    for batch in _batches(queries):
        begun = time.perf_counter()
        vectors, found = _search(enrolled, batch, len(answered), spoil)
        seconds += time.perf_counter() - begun
        wanted = [enrolled.share[one.sku] for one in batch]
        with enrolled.serving.unit_of_work() as session:
            ranked = _nearest_references(session, enrolled.encoder, vectors, wanted)
        answered += [_answered(enrolled, *one) for one in zip(batch, found, ranked, strict=True)]
        made.append(vectors)
        progress(len(batch))
    return Asked(queries, answered, np.concatenate(made), seconds)


def _search(
    enrolled: Enrolled, batch: Sequence[Labelled], first: int, spoil: Spoil | None
) -> tuple[ports.Embeddings, list[tuple[Candidate, ...]]]:
    """Vectors, shape (len(batch), dim), and the candidates of each: what `pipeline.settle` asks for the crops of a photo."""
    serving, rules = enrolled.serving, enrolled.serving.rules
    crops = [one.pixels(serving.decode) for one in batch]
    if spoil is not None:
        crops = [spoil(crop, first + place) for place, crop in enumerate(crops)]
    vectors = serving.encoder.embed(crops)
    with serving.unit_of_work() as session:
        candidates = max(TOP, rules.candidates)
        found = catalog.nearest(session, enrolled.encoder, vectors, candidates, None, rules.search_exactly_below)
    return vectors, found


def _answered(enrolled: Enrolled, asked: Labelled, found: tuple[Candidate, ...], ranked: tuple[str, ...]) -> Answered:
    rules = enrolled.serving.rules
    decision = decide(Evidence(found[: rules.candidates]), rules.thresholds)
    truth = asked.sku if enrolled.share[asked.sku] else UNKNOWN
    return Answered(truth, decision.sku or UNKNOWN, found, ranked)


def _nearest_references(
    session: Session, encoder: Encoder, vectors: ports.Embeddings, wanted: Sequence[int]
) -> list[tuple[str, ...]]:
    """Skus of the nearest references of each vector, as many as `wanted`; exact, over the stored vectors."""
    operator = OPERATORS[encoder.metric][0]
    rows = session.connection().exec_driver_sql(
        "select q.crop, array("  # noqa: S608 - the operator is one of our own; values are parameters
        f"  select r.sku from inventory_match.reference_embedding r where r.encoder_id = %(encoder)s"
        f"  order by r.embedding {operator} q.vector, r.reference_id limit q.wanted) as skus"
        " from unnest(cast(%(vectors)b as halfvec[]), cast(%(wanted)s as bigint[])) with ordinality"
        " as q (vector, wanted, crop) order by q.crop",
        {"vectors": [HalfVector(one) for one in vectors], "wanted": list(wanted), "encoder": encoder.id},
    )
    return [tuple(row.skus) for row in rows]


def nearest_of(enrolled: Enrolled, vector: ports.Embeddings, sku: str) -> Labelled:
    """The product's reference nearest to a vector of shape (dim,). The product must have one."""
    operator = OPERATORS[enrolled.encoder.metric][0]
    with enrolled.serving.unit_of_work() as session:
        source = session.connection().exec_driver_sql(
            "select p.source from inventory_match.reference_embedding r"  # noqa: S608 - as above
            " join inventory_match.reference_photo p on p.id = r.reference_id"
            " where r.encoder_id = %(encoder)s and r.sku = %(sku)s"
            f" order by r.embedding {operator} cast(%(vector)b as halfvec), r.reference_id limit 1",
            {"encoder": enrolled.encoder.id, "sku": sku, "vector": HalfVector(vector)},
        )
        return enrolled.by_source[source.scalar_one()]


def _batches(rows: Sequence[Labelled]) -> Iterator[Sequence[Labelled]]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))
