"""`similar_products` and `recommend_products` on vectors small enough to check by hand."""

from __future__ import annotations

from math import sqrt
from typing import Any

import pytest
from psycopg import errors
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from .conftest import Ask, Put

pytestmark = pytest.mark.usefixtures("catalog")

# Angles that are easy to tell: tea and mint alike, rice between, soap at a right angle to tea.
VECTORS: dict[str, list[list[float]]] = {
    "tea": [[1, 0, 0]],
    "mint": [[4, 3, 0], [0, 0, 1]],
    "rice": [[3, 4, 0]],
    "soap": [[0, 1, 0]],
}


@pytest.fixture
def catalog(shop: str, put: Put) -> int:
    """Four products with vectors by the active encoder, all in stock in s1 by the books; returns the encoder's id."""
    assert shop == "s1"
    put("product", sku="mint", name="Mint", category="food")
    encoder = put("encoder").id
    embed(put, encoder, VECTORS)
    for units, sku in enumerate(VECTORS, start=1):
        stock(put, sku, units)
    return int(encoder)


def embed(put: Put, encoder: int, vectors: dict[str, list[list[float]]]) -> None:
    for sku, several in vectors.items():
        for number, vector in enumerate(several):
            reference = put("reference_photo", sku=sku, content_hash=f"{encoder}-{number}")
            length = sqrt(sum(x * x for x in vector))
            unit = [x / length for x in vector]
            put("reference_embedding", encoder_id=encoder, reference_id=reference.id, sku=sku, embedding=unit)


def stock(put: Put, sku: str, units: int, store: str = "s1") -> None:
    put("stock_watch", store=store, sku=sku)
    put("stock_event", store=store, sku=sku, kind="adjusted", units=units, idempotency_key=f"{store}-{sku}")


def near(ask: Ask, call: str) -> list[tuple[str, float]]:
    return [(row["sku"], round(row["similarity"], 2)) for row in ask(f"select * from {call}")]


def refused(session: Session, call: str) -> errors.Error:
    with pytest.raises(DBAPIError) as raised, session.begin_nested():
        session.execute(text(f"select * from inventory_match.{call}"))
    assert isinstance(raised.value.orig, errors.Error)
    return raised.value.orig


def test_nearest_first_one_row_a_product_by_its_best_reference(ask: Ask) -> None:
    assert near(ask, "similar_products('tea')") == [("mint", 0.8), ("rice", 0.6), ("soap", 0.0)]
    assert near(ask, "similar_products('tea', 1)") == [("mint", 0.8)]
    [first, *_] = ask("select * from similar_products('tea')")
    assert (first["name"], first["category"], first["level"]) == ("Mint", "food", None)


def test_in_a_store_only_what_is_in_stock_there(put: Put, ask: Ask) -> None:
    put("store", store="s2")
    stock(put, "rice", 7, "s2")
    stock(put, "mint", -1, "s2")
    rows = ask("select sku, level from similar_products('tea', 5, 's2')")
    assert rows == [{"sku": "rice", "level": 7}]


def test_in_a_store_only_its_assortment(put: Put, ask: Ask) -> None:
    put("store", store="s2", assortment_all=False)
    for sku in VECTORS:
        stock(put, sku, 1, "s2")
    put("assortment", store="s2", sku="soap")
    assert near(ask, "similar_products('tea', 5, 's2')") == [("soap", 0.0)]


def test_retired_products_are_never_proposed_but_may_be_asked_for(ask: Ask, session: Session) -> None:
    session.execute(text("update inventory_match.product set retired_at = now() where sku in ('tea', 'mint')"))
    assert near(ask, "similar_products('tea')") == [("rice", 0.6), ("soap", 0.0)]


def test_vectors_of_another_encoder_are_not_compared(put: Put, ask: Ask) -> None:
    other = put("encoder", sha256="1" * 64, state="ready").id
    embed(put, other, {"tea": [[0, 1, 0]], "rice": [[0, 1, 0]]})
    assert near(ask, "similar_products('tea')") == [("mint", 0.8), ("rice", 0.6), ("soap", 0.0)]


def test_a_product_without_a_vector_by_the_active_encoder_has_no_neighbours(put: Put, ask: Ask) -> None:
    put("product", sku="new", name="New")
    assert near(ask, "similar_products('new')") == []


def test_a_euclidean_encoder_gives_one_over_one_plus_distance(ask: Ask, session: Session) -> None:
    session.execute(text("update inventory_match.encoder set metric = 'euclidean'"))
    assert near(ask, "similar_products('soap', 1)") == [("rice", round(1 / (1 + sqrt(0.4)), 2))]


def test_a_basket_is_near_to_what_is_near_to_any_of_it(ask: Ask) -> None:
    assert near(ask, "recommend_products(array['tea', 'soap'], 's1')") == [("mint", 0.8), ("rice", 0.8)]
    assert near(ask, "recommend_products(array['tea', null], 's1', 1)") == [("mint", 0.8)]


def test_a_recommendation_is_in_stock(put: Put, ask: Ask) -> None:
    put("stock_event", store="s1", sku="mint", kind="sold", units=-2, idempotency_key="sold out")
    assert near(ask, "recommend_products(array['tea'], 's1')") == [("rice", 0.6), ("soap", 0.0)]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("similar_products('moon')", "not in the catalog: moon"),
        ("similar_products(null)", "p_sku is null"),
        ("similar_products('tea', 0)", "k is 0"),
        ("similar_products('tea', 5, 'moon')", "store moon does not exist"),
        ("recommend_products(array['tea', 'moon'], 's1')", "not in the catalog: moon"),
        ("recommend_products('{}', 's1')", "at least one sku"),
        ("recommend_products(array['tea'], null)", "and the store"),
    ],
)
def test_what_makes_no_sense_is_refused(session: Session, call: str, says: str) -> None:
    assert says in str(refused(session, call))


def test_functions_find_the_vector_type_wherever_the_extension_lives(ask: Ask) -> None:
    [row] = ask(
        "select p.proconfig from pg_proc p where p.oid = 'similar_products(text, integer, text)'::regprocedure"
        " and p.prosecdef and p.provolatile = 's'"
    )
    path: dict[str, Any] = dict(setting.split("=", 1) for setting in row["proconfig"])
    assert path == {"search_path": "inventory_match, public, pg_temp"}
