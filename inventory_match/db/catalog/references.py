"""Which reference photos a crop is most like: for people who review or explain, where `nearest` answers for products.

Exact, because it is asked for one crop at a time and somebody learns from the answer.
"""

# ruff: noqa: S608 - what is put into the SQL is our own text and integers; values are parameters

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pgvector import HalfVector
from sqlalchemy import text
from sqlalchemy.orm import Session

from inventory_match.db.models import Encoder
from inventory_match.domain.photos import ObjectRef

from .index import OPERATORS
from .nearest import similarity

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class NearReference:
    """A reference photo, whose it is, where it is kept, its vector of shape (dim,), and how similar it is; higher is nearer."""

    id: int
    sku: str
    name: str
    ref: ObjectRef
    vector: NDArray[np.float32]
    similarity: float


def nearest_references(
    session: Session,
    encoder: Encoder,
    vector: NDArray[np.float32],
    k: int,
    *,
    skus: Collection[str] | None = None,
    best_of_each: bool = False,
) -> list[NearReference]:
    """The k references most like `vector`, best first, by the same encoder, of products that are not retired.

    `skus` looks at these products alone; `best_of_each` shows a product once, by its nearest reference.
    """
    dim, operator = int(encoder.dim), OPERATORS[encoder.metric][0]
    once = "distinct on (e.sku)" if best_of_each else ""
    statement = (
        f"select * from (select {once} r.id, e.sku, p.name, r.bucket, r.key, e.embedding,"
        f"  (e.embedding::halfvec({dim}) {operator} %(vector)b::halfvec({dim})) as distance"
        " from inventory_match.reference_embedding e"
        " join inventory_match.reference_photo r on r.id = e.reference_id"
        " join inventory_match.product p on p.sku = e.sku and p.retired_at is null"
        f" where e.encoder_id = {int(encoder.id)} and (%(skus)s::text[] is null or e.sku = any(%(skus)s))"
        " order by e.sku, distance, r.id) found order by distance, sku, id limit %(k)s"
    )
    given = {"vector": HalfVector(vector), "k": k, "skus": None if skus is None else sorted(skus)}
    return [
        NearReference(
            row.id,
            row.sku,
            row.name,
            ObjectRef(row.bucket, row.key, None, ""),
            np.asarray(row.embedding.to_numpy(), np.float32),
            similarity(encoder.metric, row.distance),
        )
        for row in session.connection().exec_driver_sql(statement, given)
    ]


def without_vector(session: Session, encoder_id: int, reference_ids: Collection[int]) -> list[int]:
    """Which of these references the encoder has not embedded."""
    rows = session.scalars(
        text(
            "select given.id from unnest(cast(:ids as bigint[])) as given (id) where not exists ("
            "  select from inventory_match.reference_embedding e where (e.encoder_id, e.reference_id) = (:encoder, given.id))"
            " order by given.id"
        ),
        {"ids": list(reference_ids), "encoder": encoder_id},
    )
    return list(rows)


def few_products(session: Session, store: str | None, most: int) -> list[str]:
    """The active products of a store (None: of all) if they are at most `most`; else none of them."""
    statement = text(
        "select p.sku from inventory_match.product p where p.retired_at is null"
        " and (cast(:store as text) is null"
        "  or exists (select from inventory_match.store s where s.store = :store and s.assortment_all)"
        "  or exists (select from inventory_match.assortment a where a.store = :store and a.sku = p.sku))"
        " order by p.sku limit :most + 1"
    )
    skus = list(session.scalars(statement, {"store": store, "most": most}))
    return skus if len(skus) <= most else []


def reference_photos(session: Session, skus: Collection[str], each: int) -> dict[str, list[ObjectRef]]:
    """Where up to `each` reference photos of these products are kept, the oldest first: what a catalog was imported with."""
    statement = text(
        "select sku, bucket, key from (select sku, bucket, key, id, row_number() over (partition by sku order by id) as place"
        " from inventory_match.reference_photo where sku = any(:skus)) numbered where place <= :each order by sku, id"
    )
    kept: dict[str, list[ObjectRef]] = {}
    for row in session.execute(statement, {"skus": list(skus), "each": each}):
        kept.setdefault(row.sku, []).append(ObjectRef(row.bucket, row.key, None, ""))
    return kept
