"""THE nearest-neighbour query: for all crops of a photo, the products most like each, in one statement.

Only references made by the asking encoder, of products that are not retired and, with a store, sold there. Several
references of a product count as its best one. Distances stay in here; outside everything is similarity, higher is better:
1 - distance for cosine, 1 / (1 + distance) for Euclidean.

Two plans. Exact: every eligible reference is compared. Where they are many, an approximate index (`index`: HNSW, or inverted
lists) hands over a pool per crop, to which the filter is then applied, so rows could go missing; therefore each crop that got
fewer products than there are is asked again, exactly.
"""

# ruff: noqa: S608 - what is put into the SQL is our own text and integers; values are parameters

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pgvector import HalfVector
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from inventory_match.db.models import Encoder
from inventory_match.domain.errors import NotFound
from inventory_match.domain.matching import Candidate

from .index import OPERATORS, scan_settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

POOL_PER_PRODUCT = 8
"""References the index hands over for each product wanted: several may be of one product."""

_CROPS = "select crop, vector from unnest(cast(%(vectors)b as halfvec[])) with ordinality as given (vector, crop)"


@dataclass(frozen=True, slots=True)
class _Search:
    """One encoder's references, filtered. Its numbers stand in the SQL itself: only so can a partial index be used."""

    encoder: Encoder
    k: int
    store: str | None

    @property
    def distance(self) -> str:
        dim, operator = int(self.encoder.dim), OPERATORS[self.encoder.metric][0]
        return f"(r.embedding::halfvec({dim}) {operator} q.vector::halfvec({dim}))"

    @property
    def eligible(self) -> str:
        sold = (
            " and exists (select from inventory_match.assortment a where a.store = %(store)s and a.sku = r.sku)"
            if self.store is not None
            else ""
        )
        return (
            "inventory_match.reference_embedding r join inventory_match.product p on p.sku = r.sku"
            f" where r.encoder_id = {int(self.encoder.id)} and p.retired_at is null{sold}"
        )

    @property
    def exact(self) -> str:
        # Filtered once and kept for all crops of the photo.
        return (
            f"with q as materialized ({_CROPS}), kept as materialized (select r.sku, r.embedding from {self.eligible})"
            " select q.crop, best.sku, best.distance from q cross join lateral ("
            f"  select r.sku, min({self.distance}) as distance from kept r group by r.sku order by 2, 1 limit %(k)s) best"
            " order by q.crop, best.distance, best.sku"
        )

    @property
    def approximate(self) -> str:
        return (
            f"with q as materialized ({_CROPS})"
            " select q.crop, best.sku, best.distance, best.pooled from q cross join lateral ("
            "   select pool.sku, min(pool.distance) as distance, sum(count(*)) over () as pooled"
            f"  from (select r.sku, {self.distance} as distance from {self.eligible}"
            f"        order by {self.distance} limit {self.pool}) pool"
            "   group by pool.sku order by 2, 1 limit %(k)s) best"
            " order by q.crop, best.distance, best.sku"
        )

    @property
    def pool(self) -> int:
        return self.k * POOL_PER_PRODUCT

    @property
    def named(self) -> dict[str, Any]:
        return {"k": self.k, "store": self.store}


def similarity(metric: str, distance: float) -> float:
    """Higher is nearer; what leaves `db` instead of a distance."""
    return 1.0 - distance if metric == "cosine" else 1.0 / (1.0 + distance)


def nearest(
    session: Session,
    encoder: Encoder,
    vectors: NDArray[np.float32],
    k: int,
    store: str | None,
    exact_below: int,
    scan: Mapping[str, str] | None = None,
) -> list[tuple[Candidate, ...]]:
    """Up to k products for each of the vectors, shape (n, dim), best first; fewer only where the store sells fewer.

    `store` None searches all products that are not retired. Up to `exact_below` eligible references the search is exact;
    else `scan` overrides settings of the index's search (`hnsw.ef_search` and the like), for measuring.
    Raises NotFound for an unknown store.
    """
    if not len(vectors):
        return []
    search = _Search(encoder, k, store if _is_choosy(session, store) else None)
    references, products = _eligible(session, search, exact_below)
    asked = [HalfVector(vector) for vector in vectors]
    if references <= exact_below:
        found = _run(session, search, search.exact, asked)
    else:
        found = _through_index(session, search, asked, references, products, scan or {})
    return [tuple(Candidate(row.sku, similarity(encoder.metric, row.distance)) for row in rows) for rows in found]


def _through_index(
    session: Session, search: _Search, asked: list[HalfVector], references: int, products: int, scan: Mapping[str, str]
) -> list[list[Row[Any]]]:
    """Approximate, except for the crops whose pool stayed short: there the index gave up before the filter was content."""
    for name, value in {**scan_settings(session, search.encoder, search.pool), **scan}.items():
        session.execute(text("select set_config(:name, :value, true)"), {"name": name, "value": value})
    found = _run(session, search, search.approximate, asked)
    full, whole = min(search.pool, references), min(search.k, products)
    short = [crop for crop, rows in enumerate(found) if len(rows) < whole or (rows and rows[0].pooled < full)]
    if short:
        again = _run(session, search, search.exact, [asked[crop] for crop in short])
        for crop, rows in zip(short, again, strict=True):
            found[crop] = rows
    return found


def _is_choosy(session: Session, store: str | None) -> bool:
    """Whether the store sells a part of the products only."""
    if store is None:
        return False
    statement = text("select assortment_all from inventory_match.store where store = :store")
    sells_all = session.scalar(statement, {"store": store})
    if sells_all is None:
        raise NotFound(f"store {store!r} does not exist; `inventory-match site show` lists them")
    return not sells_all


def _eligible(session: Session, search: _Search, exact_below: int) -> tuple[int, int]:
    """How many references and products can be found, each counted only as far as it matters."""
    statement = (
        f"select (select count(*) from (select from {search.eligible} limit %(enough)s) counted) as found,"
        "  (select count(*) from (select from inventory_match.product o where exists ("
        f"    select from {search.eligible} and r.sku = o.sku) limit %(k)s) counted) as products"
    )
    enough = max(exact_below, search.pool) + 1
    row = session.connection().exec_driver_sql(statement, {"enough": enough, **search.named}).one()
    return row.found, row.products


def _run(session: Session, search: _Search, statement: str, vectors: list[HalfVector]) -> list[list[Row[Any]]]:
    """The rows of each vector. Straight to the driver, because `%()b` is how psycopg is told to send binary."""
    found: list[list[Row[Any]]] = [[] for _ in vectors]
    for row in session.connection().exec_driver_sql(statement, {"vectors": vectors, **search.named}):
        found[row.crop - 1].append(row)
    return found
