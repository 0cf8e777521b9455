"""How well photos find their product, measured by what serves: the same decoder, encoder, SQL query and `decide`.

The references become a catalog in a database made for the purpose; each query is asked as a crop of a photo would be. What
is not used is the quality limits of shelf photos: they judge cameras, not retrieval.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgvector import HalfVector
from sqlalchemy import text

from inventory_match.db import catalog
from inventory_match.db.catalog import Encoder, ProductFacts, Reference
from inventory_match.db.catalog.encoders import OPERATORS
from inventory_match.domain.matching import Evidence, decide
from inventory_match.learning.figures import UNKNOWN, Answered, Figures, figures

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from inventory_match import ports
    from inventory_match.db.catalog.encoders import EncoderRecord
    from inventory_match.db.engine import UnitOfWork
    from inventory_match.domain.matching import Candidate
    from inventory_match.learning.labelled import Labelled
    from inventory_match.pipeline import Rules

BATCH = 32
TOP = 5


@dataclass(frozen=True, slots=True)
class Serving:
    """The parts that serve, on a migrated database with an empty catalog. `record` describes the file of `encoder`."""

    unit_of_work: UnitOfWork
    decode: ports.Decoder
    encoder: ports.Encoder
    record: EncoderRecord
    rules: Rules


def evaluate(
    serving: Serving, references: Sequence[Labelled], queries: Sequence[Labelled], progress: Callable[[int], None]
) -> Figures:
    """Fills the catalog with `references`, asks every query; `progress` is told how many photos are done at each step.

    A query whose sku no reference has is one of an unknown product. Raises InvalidInput for a photo nobody can read.
    """
    with serving.unit_of_work() as session:
        encoder = catalog.register_encoder(session, serving.record, serving.rules.thresholds)
    for batch in _batches(references):
        _enrol(serving, encoder, batch)
        progress(len(batch))
    with serving.unit_of_work() as session:
        session.execute(text("analyze inventory_match.reference_embedding"))
    share = Counter(one.sku for one in references)
    answered: list[Answered] = []
    seconds = 0.0
    for batch in _batches(queries):
        begun = time.perf_counter()
        vectors, found = _ask(serving, encoder, batch)
        seconds += time.perf_counter() - begun
        wanted = [share[one.sku] for one in batch]
        with serving.unit_of_work() as session:
            ranked = _nearest_references(session, encoder, vectors, wanted)
        answered += [_answered(serving, *one, share) for one in zip(batch, found, ranked, strict=True)]
        progress(len(batch))
    return figures(answered, len(references), seconds)


def _enrol(serving: Serving, encoder: Encoder, batch: Sequence[Labelled]) -> None:
    vectors = serving.encoder.embed([one.pixels(serving.decode) for one in batch])
    kept = [Reference(one.sku, one.source, "scratch", one.source, one.row.image) for one in batch]
    with serving.unit_of_work() as session:
        catalog.upsert_products(session, [ProductFacts(sku) for sku in sorted({one.sku for one in batch})])
        ids = catalog.add_references(session, kept)
        rows = zip(ids, (one.sku for one in batch), vectors, strict=True)
        catalog.copy_embeddings(session, encoder.id, rows)


def _ask(
    serving: Serving, encoder: Encoder, batch: Sequence[Labelled]
) -> tuple[ports.Embeddings, list[tuple[Candidate, ...]]]:
    """Vectors, shape (len(batch), dim), and the candidates of each: what `pipeline.settle` asks for the crops of a photo."""
    rules = serving.rules
    vectors = serving.encoder.embed([one.pixels(serving.decode) for one in batch])
    with serving.unit_of_work() as session:
        candidates = max(TOP, rules.candidates)
        return vectors, catalog.nearest(session, encoder, vectors, candidates, None, rules.search_exactly_below)


def _answered(
    serving: Serving, asked: Labelled, found: tuple[Candidate, ...], ranked: tuple[str, ...], share: Counter[str]
) -> Answered:
    decision = decide(Evidence(found[: serving.rules.candidates]), serving.rules.thresholds)
    return Answered(
        truth=asked.sku if share[asked.sku] else UNKNOWN,
        decided=decision.sku or UNKNOWN,
        products=tuple(one.sku for one in found),
        similarity=found[0].similarity if found else -1.0,
        references=ranked,
    )


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


def _batches(rows: Sequence[Labelled]) -> Iterator[Sequence[Labelled]]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))
