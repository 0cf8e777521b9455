"""The nearest-neighbour query against numpy: exact, through the index, filtered, folded, and never with rows missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pgvector import HalfVector
from psycopg import Cursor
from psycopg.pq import Format
from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session

from inventory_match.bootstrap import App
from inventory_match.db import catalog, migrate
from inventory_match.db.catalog.index import METHODS, Method, drop_index, index_name, inverted_lists
from inventory_match.db.engine import make_engine
from inventory_match.db.models import Encoder
from inventory_match.domain.errors import ConfigurationError, Conflict, NotFound
from inventory_match.domain.matching import Thresholds

DIM = 32
THRESHOLDS = Thresholds(0.5, 0.1)
EXACT = 10**9
Vectors = NDArray[np.float32]


class Record:
    """What an encoder file would say."""

    def __init__(self, name: str = "fake", metric: str = "cosine", dim: int = DIM) -> None:
        self.name, self.arch, self.dim, self.metric = name, "none", dim, metric
        self.sha256 = f"{name}-{metric}".ljust(64, "0")

    def to_json(self) -> str:
        return '{"arch": "none"}'


def vectors(n: int, seed: int = 0, dim: int = DIM) -> Vectors:
    """Unit vectors as the database keeps them, with 16 bits a number."""
    drawn = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    unit: Vectors = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
    return unit


def clustered(n: int, seed: int, *, products: int = 2000) -> Vectors:
    """As real ones lie: 50 categories, products around them, the n references near their product; row i shows product
    i modulo `products`. Another seed gives other pictures of the same products."""
    of_product = vectors(50, seed=90)[np.arange(products) % 50] + 0.6 * vectors(products, seed=91)
    drawn = of_product[np.arange(n) % products] + 0.4 * vectors(n, seed)
    unit: Vectors = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
    return unit


def fill(session: Session, encoder: Encoder, embeddings: Vectors, skus: list[str]) -> None:
    catalog.upsert_products(session, [catalog.ProductFacts(sku) for sku in dict.fromkeys(skus)])
    references = [catalog.Reference(sku, f"h{i}", "b", f"catalog/{i}.jpg", "x") for i, sku in enumerate(skus)]
    ids = catalog.add_references(session, references)
    written = catalog.copy_embeddings(session, encoder.id, zip(ids, skus, embeddings, strict=True))
    assert written == len(skus)


def expected(queries: Vectors, embeddings: Vectors, skus: list[str], k: int) -> list[list[str]]:
    """By hand: the best reference of each product, best products first."""
    similar = (queries @ embeddings.T) / np.linalg.norm(embeddings, axis=1)
    found = []
    for row in similar:
        best: dict[str, float] = {}
        for sku, value in zip(skus, row, strict=True):
            best[sku] = max(best.get(sku, -2.0), float(value))
        found.append(sorted(best, key=lambda sku: (-best[sku], sku))[:k])
    return found


def named(found: list[tuple[Any, ...]]) -> list[list[str]]:
    return [[candidate.sku for candidate in candidates] for candidates in found]


def test_exact_is_what_numpy_says(session: Session) -> None:
    encoder = catalog.register_encoder(session, Record(), THRESHOLDS)
    embeddings, skus = vectors(300), [f"p{i % 100:03}" for i in range(300)]
    fill(session, encoder, embeddings, skus)
    queries = vectors(7, seed=1)
    found = catalog.nearest(session, encoder, queries, 5, None, EXACT)
    assert named(found) == expected(queries, embeddings, skus, 5)
    for query, candidates in zip(queries, found, strict=True):
        best = max(embeddings[i] @ query for i, sku in enumerate(skus) if sku == candidates[0].sku)
        assert candidates[0].similarity == pytest.approx(best, abs=2e-3)
        assert sorted(candidates, key=lambda one: -one.similarity) == list(candidates)


def test_nothing_asked_nothing_found(session: Session) -> None:
    encoder = catalog.register_encoder(session, Record(), THRESHOLDS)
    assert catalog.nearest(session, encoder, vectors(0), 5, None, EXACT) == []
    assert catalog.nearest(session, encoder, vectors(2), 5, None, EXACT) == [(), ()]
    assert catalog.nearest(session, encoder, vectors(2), 5, None, 0) == [(), ()]


def test_euclidean_similarity_falls_with_distance(session: Session) -> None:
    encoder = catalog.register_encoder(session, Record(metric="euclidean", dim=2), THRESHOLDS)
    fill(session, encoder, np.array([[0, 0], [3, 4]], np.float32), ["near", "far"])
    (found,) = catalog.nearest(session, encoder, np.zeros((1, 2), np.float32), 5, None, EXACT)
    assert [(one.sku, one.similarity) for one in found] == [("near", 1.0), ("far", pytest.approx(1 / 6))]


def test_only_what_is_sold_there_and_not_retired_is_found(session: Session) -> None:
    encoder = catalog.register_encoder(session, Record(), THRESHOLDS)
    embeddings, skus = vectors(40), [f"p{i:02}" for i in range(40)]
    fill(session, encoder, embeddings, skus)
    session.execute(text("insert into inventory_match.store (store, name, assortment_all) values ('all', 'x', true)"))
    session.execute(text("insert into inventory_match.store (store, name, assortment_all) values ('few', 'x', false)"))
    session.execute(
        text("insert into inventory_match.assortment values ('few', 'p03'), ('few', 'p07'), ('few', 'gone')")
    )
    catalog.retire(session, "p07", datetime(2026, 1, 1, tzinfo=UTC))
    queries = vectors(3, seed=2)
    for exact_below in (EXACT, 0):
        assert named(catalog.nearest(session, encoder, queries, 5, "few", exact_below)) == [["p03"]] * 3
        everywhere = named(catalog.nearest(session, encoder, queries, 40, "all", exact_below))
        assert [sorted(row) for row in everywhere] == [[sku for sku in skus if sku != "p07"]] * 3
    with pytest.raises(NotFound, match="'nowhere'"):
        catalog.nearest(session, encoder, queries, 5, "nowhere", EXACT)


def test_vectors_of_another_encoder_are_never_compared(session: Session) -> None:
    old = catalog.register_encoder(session, Record("old"), THRESHOLDS)
    fill(session, old, vectors(10), [f"p{i}" for i in range(10)])
    session.execute(text("update inventory_match.encoder set state = 'retired'"))
    session.expire_all()
    new = catalog.register_encoder(session, Record("new", dim=8), THRESHOLDS)
    waiting = catalog.references_to_embed(session, new.id)
    assert set(waiting.values()) == {True}
    assert catalog.nearest(session, new, vectors(2, dim=8), 5, None, EXACT) == [(), ()]
    assert set(catalog.references_to_embed(session, old.id).values()) == {False}


def test_another_encoder_than_the_active_one_is_refused(session: Session) -> None:
    with pytest.raises(ConfigurationError, match="no encoder is active"):
        catalog.active_encoder(session)
    first = catalog.register_encoder(session, Record("first"), THRESHOLDS)
    assert catalog.register_encoder(session, Record("first"), Thresholds(0.6, 0.2)) is first
    assert catalog.active_encoder(session, Record("first").sha256) is first
    with pytest.raises(ConfigurationError, match="encoders build FILE"):
        catalog.register_encoder(session, Record("second"), THRESHOLDS)
    with pytest.raises(Conflict, match="first was activated meanwhile"):
        catalog.active_encoder(session, Record("second").sha256)


def test_calibrated_thresholds_stay_with_their_encoder(session: Session) -> None:
    first = catalog.register_encoder(session, Record("first"), THRESHOLDS)
    catalog.set_thresholds(session, first, Thresholds(0.7, 0.3))
    assert catalog.register_encoder(session, Record("first"), THRESHOLDS).thresholds == {"accept": 0.7, "margin": 0.3}


def test_an_encoder_is_named_by_name_or_by_the_beginning_of_its_sha256(session: Session) -> None:
    first = catalog.register_encoder(session, Record("first"), THRESHOLDS)
    other = catalog.add_encoder(session, Record("first", metric="euclidean"), THRESHOLDS)
    assert (first.state, other.state) == ("active", "building")
    assert catalog.encoder_named(session, "first-euc") is other
    with pytest.raises(Conflict, match=r"several.*first-cosine, first-euclid"):
        catalog.encoder_named(session, "first")
    with pytest.raises(NotFound, match="'firs_'"):
        catalog.encoder_named(session, "firs_")


def test_vectors_travel_as_binary(session: Session) -> None:
    """A shelf's worth of vectors as text would be five times the bytes, parsed anew for each photo."""
    encoder = catalog.register_encoder(session, Record(), THRESHOLDS)
    fill(session, encoder, vectors(3), ["a", "b", "c"])
    queries, sent = vectors(2, seed=1), list[tuple[bytes | None, Format]]()

    def note(_connection: object, cursor: Cursor[Any], *_: object) -> None:
        query = cursor._query
        assert query is not None
        assert query.params is not None
        assert query.formats is not None
        sent.extend(zip((bytes(p) for p in query.params if p is not None), query.formats, strict=False))

    event.listen(session.get_bind(), "after_cursor_execute", note)
    for exact_below in (EXACT, 0):
        sent.clear()
        catalog.nearest(session, encoder, queries, 5, None, exact_below)
        carrying = [form for data, form in sent if HalfVector(queries[1]).to_binary() in (data or b"")]
        assert carrying
        assert set(carrying) == {Format.BINARY}
    event.remove(session.get_bind(), "after_cursor_execute", note)


Indexed = tuple[Engine, Encoder, Vectors, list[str], str]


@pytest.fixture(scope="module", params=METHODS)
def indexed(
    request: pytest.FixtureRequest, new_database: Callable[[], AbstractContextManager[str]]
) -> Iterator[Indexed]:
    """6,000 references of 2,000 products and their index; `few` sells 1 % of them."""
    method: Method = request.param
    with new_database() as url:
        engine = make_engine(url)
        embeddings, skus = clustered(6000, seed=5), [f"p{i % 2000:04}" for i in range(6000)]
        with Session(engine, expire_on_commit=False) as session, session.begin():
            encoder = catalog.register_encoder(session, Record(), THRESHOLDS)
            fill(session, encoder, embeddings, skus)
            session.execute(
                text("insert into inventory_match.store (store, name, assortment_all) values ('few', 'x', false)")
            )
            session.execute(
                text(
                    "insert into inventory_match.assortment select 'few', sku from inventory_match.product where sku like '%37'"
                )
            )
        assert catalog.ensure_index(engine, encoder, above=6000, method=method) is False
        assert catalog.ensure_index(engine, encoder, above=5999, method=method) is True
        assert catalog.ensure_index(engine, encoder, above=5999, method=method) is False
        yield engine, encoder, embeddings, skus, index_name(encoder, method)
        engine.dispose()


def test_the_index_is_used_and_finds_nearly_what_exact_search_finds(indexed: Indexed) -> None:
    engine, encoder, embeddings, skus, name = indexed
    queries = clustered(50, seed=6)
    used = "select idx_scan from pg_stat_user_indexes where indexrelname = :name"
    with Session(engine) as session:
        before = session.scalar(text(used), {"name": name})
        session.execute(text("set local enable_seqscan = off"))  # a table this small is read faster as a whole
        session.execute(text("set local enable_sort = off"))
        found = named(catalog.nearest(session, encoder, queries, 10, None, 100))
    with Session(engine) as session:
        session.execute(text("select pg_stat_force_next_flush()"))
        session.commit()
        assert session.scalar(text(used), {"name": name}) > (before or 0)
    wanted = expected(queries, embeddings, skus, 10)
    assert all(len(row) == 10 for row in found)
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, wanted, strict=True)])
    assert recall >= 0.98, recall


def test_a_filter_that_passes_one_in_a_hundred_loses_no_rows(indexed: Indexed) -> None:
    engine, encoder, embeddings, skus, _ = indexed
    kept = [i for i, sku in enumerate(skus) if sku.endswith("37")]
    assert len({skus[i] for i in kept}) == 20
    queries = clustered(20, seed=7)
    with Session(engine) as session:
        session.execute(text("set local enable_seqscan = off"))
        session.execute(text("set local enable_sort = off"))
        session.execute(text("set local hnsw.max_scan_tuples = 200"))
        session.execute(text("set local ivfflat.max_probes = 1"))
        found = named(catalog.nearest(session, encoder, queries, 10, "few", 10))
    assert found == expected(queries, embeddings[kept], [skus[i] for i in kept], 10)


def test_one_statement_for_all_the_crops(indexed: Indexed) -> None:
    engine, encoder, _, _, _ = indexed
    counts = []
    for crops in (1, 40):
        seen: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_: object, seen: list[str] = seen) -> None:
            seen.append(statement)

        event.listen(engine, "before_cursor_execute", note)
        with Session(engine) as session:
            catalog.nearest(session, encoder, vectors(crops, seed=8), 5, None, EXACT)
        event.remove(engine, "before_cursor_execute", note)
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_the_index_is_no_drift(app: App) -> None:
    with app.unit_of_work() as session:
        encoder = catalog.register_encoder(session, Record(), THRESHOLDS)
        fill(session, encoder, vectors(3), ["a", "b", "c"])
    assert catalog.ensure_index(app.engine, encoder, above=2)
    with app.engine.connect() as connection:
        assert migrate.drift(connection) == []


def test_an_index_that_was_left_half_built_is_built_again(app: App) -> None:
    with app.unit_of_work() as session:
        encoder = catalog.register_encoder(session, Record(), THRESHOLDS)
        fill(session, encoder, vectors(3), ["a", "b", "c"])
    assert catalog.ensure_index(app.engine, encoder, above=2)
    with app.engine.begin() as connection:
        connection.execute(
            text("update pg_index set indisvalid = false where indexrelid = to_regclass(:name)"),
            {"name": f"inventory_match.{index_name(encoder)}"},
        )
    assert catalog.ensure_index(app.engine, encoder, above=2)


def test_the_other_method_takes_the_place_of_the_first(app: App) -> None:
    with app.unit_of_work() as session:
        encoder = catalog.register_encoder(session, Record(), THRESHOLDS)
        fill(session, encoder, vectors(3), ["a", "b", "c"])
    there = "select amname from pg_class c join pg_am a on a.oid = c.relam where relname like '%_reference_embedding_%'"
    there += " and relkind = 'i' and amname in ('hnsw', 'ivfflat')"
    for method in (*METHODS, "hnsw"):
        assert catalog.ensure_index(app.engine, encoder, above=2, method=method)
        with app.engine.connect() as connection:
            assert connection.scalars(text(there)).all() == [method]
            assert migrate.drift(connection) == []
    drop_index(app.engine, encoder)
    with app.engine.connect() as connection:
        assert connection.scalars(text(there)).all() == []


@pytest.mark.parametrize(("rows", "lists"), [(0, 1), (400, 1), (20_000, 20), (1_000_000, 1000), (4_000_000, 2000)])
def test_as_many_lists_as_pgvector_advises(rows: int, lists: int) -> None:
    assert inverted_lists(rows) == lists
