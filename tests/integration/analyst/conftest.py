"""Rows by plain inserts: what the views say is tested against tables filled by hand, not through the code that fills them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from psycopg import Connection, connect
from sqlalchemy import Engine, Row, insert, make_url, text
from sqlalchemy.orm import Session

from inventory_match.bootstrap import App
from inventory_match.db.models import SCHEMA, Base

Put = Callable[..., Row[Any]]
Ask = Callable[..., list[dict[str, Any]]]
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def put_with(session: Session) -> Put:
    """`put("store", store="s1")` inserts a row and returns it; what a test does not care about gets a plain value."""
    plain: dict[str, dict[str, Any]] = {
        "store": {"name": "Shop", "timezone": "Europe/Berlin"},
        "location": {"name": "Shelf"},
        "product": {},
        "camera": {"kind": "shelf"},
        "photo": {
            "bucket": "b", "version": "v1", "etag": "e1", "source": "event", "event_time": NOON, "captured_at": NOON,
            "captured_source": "key", "state": "done",
        },
        "sighting": {"x0": 0.1, "y0": 0.2, "x1": 0.3, "y1": 0.4, "rule": "as told"},
        "stock_event": {"effect": "booked", "observed_at": NOON, "actor": "till"},
        "reorder": {"state": "opened", "units": 12, "level": 2, "policy": {"lead_time_days": 3}, "evidence": {}},
        "encoder": {
            "name": "tiny", "arch": "none", "sha256": "0" * 64, "dim": 3, "metric": "cosine", "record": {},
            "thresholds": {}, "state": "active",
        },
        "reference_photo": {"content_hash": "h", "bucket": "b", "key": "k", "source": "s"},
        "message": {"occurred_at": NOON, "data": {}},
        "chore": {},
    }  # fmt: skip

    def put(table: str, **values: Any) -> Row[Any]:
        target = Base.metadata.tables[f"{SCHEMA}.{table}"]
        return session.execute(insert(target).values(plain.get(table, {}) | values).returning(*target.c)).one()

    return put


def ask_with(session: Session) -> Ask:
    """`ask("select ...", name=value)` returns rows as dicts, names found in our schema."""

    def ask(statement: str, **values: Any) -> list[dict[str, Any]]:
        session.execute(text(f"set local search_path = {SCHEMA}, public"))
        return [dict(row._mapping) for row in session.execute(text(statement), values)]

    return ask


@pytest.fixture
def put(session: Session) -> Put:
    return put_with(session)


@pytest.fixture
def ask(session: Session) -> Ask:
    return ask_with(session)


@pytest.fixture
def shop(put: Put) -> str:
    """One store with a shelf and a back room, three products, and a policy for all of them."""
    put("store", store="s1")
    put("location", store="s1", location="shelf")
    put("location", store="s1", location="back")
    for sku in ("tea", "rice", "soap"):
        put("product", sku=sku, name=sku.title(), category="food")
    put("policy_rule", settings={"reorder_point": 3, "clear_point": 6, "target_level": 12})
    return "s1"


@pytest.fixture
def one_hour() -> None:
    """The ceiling counts by clock hours: do not start in the last seconds of one."""
    left = 3600 - time.time() % 3600
    if left < 10:
        time.sleep(left)


def session_on(engine: Engine) -> Session:
    return Session(engine, expire_on_commit=False)


@contextmanager
def login(engine: Engine, options: str) -> Iterator[str]:
    """The connection string of a new role, made with these options and dropped at the end."""
    name = f"someone_{uuid4().hex[:8]}"
    with engine.begin() as owner:
        owner.execute(text(f"create role {name} login password 'p' {options}"))
    try:
        url = make_url(engine.url).set(drivername="postgresql", username=name, password="p")
        yield url.render_as_string(hide_password=False)
    finally:
        with engine.begin() as owner:
            owner.execute(text(f"drop owned by {name} cascade"))
            owner.execute(text(f"drop role {name}"))


@pytest.fixture
def filled(app: App) -> Engine:
    """A committed shop with tea in stock, a reorder for it, and a secret that nobody may see."""
    with session_on(app.engine) as session:
        put = put_with(session)
        put("store", store="s1")
        put("product", sku="tea", name="Tea")
        put("policy_rule", settings={"reorder_point": 3, "clear_point": 6, "target_level": 12})
        put("stock_watch", store="s1", sku="tea")
        put("stock_event", store="s1", sku="tea", kind="received", units=2, idempotency_key="k")
        put("reorder", store="s1", sku="tea")
        put("encoder")
        endpoint = put("webhook_endpoint", url="https://a")
        put("webhook_secret", endpoint_id=endpoint.id, secret="whsec_hidden")
        session.commit()
    return app.engine


@pytest.fixture
def reader(filled: Engine) -> Iterator[Connection]:
    with login(filled, "in role inventory_reader") as conninfo, connect(conninfo, autocommit=True) as connection:
        yield connection


@pytest.fixture
def writer(filled: Engine) -> Iterator[Connection]:
    with login(filled, "in role inventory_writer") as conninfo, connect(conninfo, autocommit=True) as connection:
        yield connection
