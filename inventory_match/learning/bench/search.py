"""Searches a second and recall: exact, HNSW and inverted lists, at several sizes of the catalog, through the SQL that serves.

The vectors are drawn: products gather in categories, references around their product (see the cosines
below; strangers have none). The queries are further pictures of the products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from math import ceil, sqrt
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from sqlalchemy import text

from inventory_match.db import catalog
from inventory_match.db.catalog.index import EF_SEARCH, METHODS, Method, index_name, inverted_lists
from inventory_match.domain.matching import Thresholds
from inventory_match.learning.bench.rounds import alternate, ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inventory_match.db.engine import UnitOfWork

    Vectors = NDArray[np.float32]

REFERENCES_PER_PRODUCT = 5
PRODUCTS_PER_CATEGORY = 40
WITHIN_PRODUCT, WITHIN_CATEGORY = 0.7, 0.4
"""Expected cosine of two references of one product, and of two products of one category."""
HNSW_EF = EF_SEARCH[0]
_FACTORS: dict[Method, tuple[float, ...]] = {"hnsw": (0.5, 1, 2), "ivfflat": (0.5, 1, 2, 4)}
"""Efforts tried, times what serves."""
EXACT = 2**62
"""More references than there ever are: below it the search is exact."""
Found: TypeAlias = list[list[str]]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What stands for an encoder file where only its vectors are needed."""

    name: str
    dim: int
    arch: str = "none"
    metric: str = "cosine"

    @property
    def sha256(self) -> str:
        return self.name.ljust(64, "0")

    def to_json(self) -> str:
        return '{"arch": "none"}'


@dataclass(frozen=True, slots=True)
class SearchSpeed:
    """One way to search a catalog of so many references.

    `crops_per_second` is the median of the rounds, `ratio` how many times faster than exact search in the same rounds.
    `recall_at_1` and `recall_at_10` are the shares of exact search's first and first ten products that were found.
    `used` is False where Postgres preferred to read the table although there is an index. `build_seconds` and `index_mb`
    are the index's.
    """

    references: int
    method: Literal["exact", "hnsw", "ivfflat"]
    scan: str
    crops_per_second: float
    ratio: float
    recall_at_1: float
    recall_at_10: float
    used: bool = False
    build_seconds: float = 0.0
    index_mb: float = 0.0


def measure(
    unit_of_work: UnitOfWork,
    references: int,
    *,
    dim: int = 256,
    crops: int = 16,
    rounds: int = 7,
    seed: int = 0,
    done: Callable[[int], None] = lambda _: None,
) -> list[SearchSpeed]:
    """Fills an empty, migrated database with `references` and searches it with photos of `crops`; exact search comes first.

    `done(1)` is called at most `runs(rounds)` times.
    """
    products = max(1, references // REFERENCES_PER_PRODUCT)
    centres = drawn_centres(products, dim, seed)
    encoder = _fill(unit_of_work, drawn_pictures(centres, np.arange(references) % products, seed + 1))
    asked = np.random.default_rng(seed + 2).integers(0, products, crops)
    search = partial(_search, unit_of_work, encoder, drawn_pictures(centres, asked, seed + 3))
    wanted = search(EXACT, {})
    through_index: list[SearchSpeed] = []
    exact: list[float] = []
    for method in METHODS:
        index = _built(unit_of_work, encoder, method)
        ways = {_named(scan): partial(search, 0, scan) for scan in _scans(method, references)}
        seconds = alternate({"exact": partial(search, EXACT, {}), **ways}, rounds, done)
        exact += seconds["exact"]
        for name, way in ways.items():
            before = _scanned(unit_of_work, index.name)
            one, ten = recalls(wanted, way())
            used = _scanned(unit_of_work, index.name) > before
            speed, faster = crops / median(seconds[name]), ratio(seconds["exact"], seconds[name])
            row = SearchSpeed(references, method, name, speed, faster, one, ten, used, index.seconds, index.megabytes)
            through_index.append(row)
    one, ten = recalls(wanted, search(EXACT, {}))
    return [SearchSpeed(references, "exact", "", crops / median(exact), 1.0, one, ten), *through_index]


def runs(rounds: int) -> int:
    """How often `measure` searches, for a bar."""
    return (rounds + 1) * sum(1 + len(factors) for factors in _FACTORS.values())


def recalls(wanted: Found, found: Found) -> tuple[float, float]:
    """Shares of the first, and of the first ten, products wanted for each crop that are among as many found."""
    first = [row[:1] == other[:1] for row, other in zip(wanted, found, strict=True)]
    ten = [len(set(row) & set(other)) / max(1, len(row)) for row, other in zip(wanted, found, strict=True)]
    return float(np.mean(first)), float(np.mean(ten))


@dataclass(frozen=True, slots=True)
class _Index:
    name: str
    seconds: float
    megabytes: float


def _built(unit_of_work: UnitOfWork, encoder: catalog.Encoder, method: Method) -> _Index:
    name, start = index_name(encoder, method), perf_counter()
    catalog.ensure_index(unit_of_work.engine, encoder, 0, method)
    seconds = perf_counter() - start
    with unit_of_work() as session:
        size = session.scalar(text("select pg_relation_size(to_regclass(:name))"), {"name": f"inventory_match.{name}"})
    return _Index(name, seconds, (size or 0) / 2**20)


def _scans(method: Method, references: int) -> Iterator[dict[str, str]]:
    """What serves, and less and more effort."""
    serves = HNSW_EF if method == "hnsw" else ceil(sqrt(inverted_lists(references)))
    name = "hnsw.ef_search" if method == "hnsw" else "ivfflat.probes"
    for factor in _FACTORS[method]:
        yield {name: str(max(1, round(serves * factor)))}


def _named(scan: Mapping[str, str]) -> str:
    return ", ".join(f"{name.partition('.')[2]} {value}" for name, value in scan.items())


def _search(
    unit_of_work: UnitOfWork, encoder: catalog.Encoder, queries: Vectors, exact_below: int, scan: Mapping[str, str]
) -> Found:
    with unit_of_work() as session:
        rows = catalog.nearest(session, encoder, queries, 10, None, exact_below, scan=scan)
    return [[candidate.sku for candidate in row] for row in rows]


def _scanned(unit_of_work: UnitOfWork, index: str) -> int:
    """How often the index was searched so far."""
    with unit_of_work() as session:
        session.execute(text("select pg_stat_force_next_flush()"))
    with unit_of_work() as session:
        count = "select idx_scan from pg_stat_user_indexes where indexrelname = :name"
        return session.scalar(text(count), {"name": index}) or 0


def _fill(unit_of_work: UnitOfWork, vectors: Vectors) -> catalog.Encoder:
    """A product for every few rows, as a catalog has them."""
    products = max(1, len(vectors) // REFERENCES_PER_PRODUCT)
    skus = [f"p{number % products:07}" for number in range(len(vectors))]
    references = [catalog.Reference(sku, f"h{i}", "none", f"{i}.jpg", "drawn") for i, sku in enumerate(skus)]
    with unit_of_work() as session:
        encoder = catalog.register_encoder(session, Drawn("drawn", vectors.shape[1]), Thresholds(0.5, 0.0))
        catalog.upsert_products(session, [catalog.ProductFacts(sku) for sku in dict.fromkeys(skus)])
        ids = catalog.add_references(session, references)
        catalog.copy_embeddings(session, encoder.id, zip(ids, skus, vectors, strict=True))
    with unit_of_work() as session:
        session.execute(text("analyze inventory_match.reference_embedding"))
        session.execute(text("analyze inventory_match.product"))
    return encoder


def drawn_centres(products: int, dim: int, seed: int) -> Vectors:
    """Unit vectors (products, dim) in categories: the share of each part's variance is its cosine with its neighbours."""
    draw = np.random.default_rng(seed)
    categories = _unit(draw.standard_normal((ceil(products / PRODUCTS_PER_CATEGORY), dim), np.float32))
    own = _unit(draw.standard_normal((products, dim), np.float32))
    alike = WITHIN_CATEGORY / WITHIN_PRODUCT
    return _unit(sqrt(alike) * categories[np.arange(products) // PRODUCTS_PER_CATEGORY] + sqrt(1 - alike) * own)


def drawn_pictures(centres: Vectors, of: NDArray[np.int64], seed: int) -> Vectors:
    """A further picture of each of the products `of`."""
    other = _unit(np.random.default_rng(seed).standard_normal((len(of), centres.shape[1]), np.float32))
    return _unit(sqrt(WITHIN_PRODUCT) * centres[of] + sqrt(1 - WITHIN_PRODUCT) * other)


def _unit(vectors: Vectors) -> Vectors:
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
