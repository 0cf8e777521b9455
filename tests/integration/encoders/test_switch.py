"""The switch itself: refused while anything is missing, one transaction, back again, and old vectors let go in time."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from inventory_match.bootstrap import App
from inventory_match.db import catalog
from inventory_match.db.catalog import Encoder, switching
from inventory_match.db.catalog.index import drop_index
from inventory_match.db.engine import make_engine
from inventory_match.domain.errors import Conflict, NotFound
from inventory_match.domain.matching import Thresholds

from .conftest import MakeEncoder, embed_all, go_back, rows, take_in

NO_TIME = timedelta(0)
LOCKED = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
"""Somebody waits for somebody."""


class Record:
    """What an encoder file would say."""

    arch, dim, metric = "none", 3, "cosine"

    def __init__(self, name: str) -> None:
        self.name, self.sha256 = name, name.encode().hex().ljust(64, "0")

    def to_json(self) -> str:
        return "{}"


@pytest.fixture
def add(app: App) -> Callable[[str], Encoder]:
    """`add("b")`: an encoder with a vector for the only reference there is; the first one is active."""
    with app.unit_of_work() as session:
        catalog.upsert_products(session, [catalog.ProductFacts("tea")])
        [reference] = catalog.add_references(session, [catalog.Reference("tea", "h", "b", "k", "tea.jpg")])

    def make(name: str) -> Encoder:
        with app.unit_of_work() as session:
            known = catalog.has_active_encoder(session)
            register = catalog.add_encoder if known else catalog.register_encoder
            encoder = register(session, Record(name), Thresholds(0.5, 0.1))
            catalog.copy_embeddings(session, encoder.id, [(reference, "tea", np.ones(3, np.float32))])
        return encoder

    return make


def states(app: App) -> dict[str, str]:
    return dict(rows(app, "select encoder, state from inventory_match.encoder_builds"))


def test_activate_and_return_and_return_again(app: App, add: Callable[[str], Encoder]) -> None:
    a, b, c = add("a"), add("b"), add("c")
    with app.unit_of_work() as session, pytest.raises(NotFound, match="no encoder is kept"):
        switching.previous(session)
    for encoder in (b, c):
        with app.unit_of_work() as session:
            switching.activate(session, encoder)
    assert states(app) == {"a": "retired", "b": "retired", "c": "active"}
    for expected in (b, c):
        with app.unit_of_work() as session:
            assert go_back(session).after.id == expected.id
    with app.unit_of_work() as session:
        assert switching.activate(session, a).before.id == c.id  # type: ignore[union-attr] # it had one
        assert catalog.active_encoder(session).id == a.id


def test_a_switch_waits_for_references_that_are_just_being_written(
    app: App, add: Callable[[str], Encoder], until: Callable[[Callable[[], bool]], None]
) -> None:
    """And then sees that they are missing."""
    add("a")
    b = add("b")

    def activate() -> None:
        with app.unit_of_work() as session:
            switching.activate(session, b)

    with ThreadPoolExecutor(1) as pool:
        with app.unit_of_work() as importing:
            catalog.lock(importing)
            catalog.add_references(importing, [catalog.Reference("tea", "h2", "b", "k2", "tea2.jpg")])
            switching_now = pool.submit(activate)
            until(lambda: rows(app, LOCKED) != [])
        with pytest.raises(Conflict, match="1 of 2 references have no vector"):
            switching_now.result(timeout=10)
    assert states(app)["a"] == "active"


def test_an_import_that_a_switch_overtook_writes_nothing(
    served: App, encoder: MakeEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its vectors are the old encoder's: the new one would not find the products."""
    take_in(served, tmp_path, 2)
    other = embed_all(served, encoder(dim=16))
    plain = catalog.lock

    def overtaken(session: Session) -> None:
        monkeypatch.setattr(catalog, "lock", plain)
        with served.unit_of_work() as between:
            switching.activate(between, other)
        plain(session)

    monkeypatch.setattr(catalog, "lock", overtaken)
    with pytest.raises(Conflict, match="tiny-16-cosine-0 was activated meanwhile"):
        take_in(served, tmp_path, 1, first=2)
    assert rows(served, "select count(*)::int from inventory_match.product") == [(2,)]
    take_in(served, tmp_path, 1, first=2)


def test_prune_keeps_the_active_one_the_last_one_and_what_was_retired_a_moment_ago(
    app: App, add: Callable[[str], Encoder]
) -> None:
    a, b, c = add("a"), add("b"), add("c")
    assert catalog.ensure_index(app.engine, a, above=0)
    for encoder in (b, c):
        with app.unit_of_work() as session:
            switching.activate(session, encoder)
    with app.unit_of_work() as session:
        assert switching.prune(session, 1, timedelta(minutes=5)) == [], "photos it saw may be under way"
    with app.unit_of_work() as session:
        [gone] = switching.prune(session, 1, NO_TIME)
        assert gone.id == a.id
    with app.unit_of_work() as session:
        assert [one.id for one in switching.prune(session, 1, NO_TIME)] == [a.id], "its vectors are still to be deleted"
    assert switching.delete_vectors(app.engine, gone) == 1
    assert switching.delete_vectors(app.engine, b) == 0, "it is not marked"
    assert states(app) == {"a": "pruned", "b": "retired", "c": "active"}
    assert rows(app, "select count(*) from pg_indexes where indexname like 'hnsw%'") == [(0,)]
    with app.unit_of_work() as session:
        assert switching.prune(session, 1, NO_TIME) == []
        with pytest.raises(Conflict, match="were pruned; `inventory-match encoders build a`"):
            switching.activate(session, a)
        assert catalog.add_encoder(session, Record("a"), Thresholds(0.5, 0.1)).state == "building"


def test_an_index_waits_for_whatever_is_under_way(
    app: App, add: Callable[[str], Encoder], until: Callable[[Callable[[], bool]], None]
) -> None:
    """However long: a backup takes longer than anything else here may wait."""
    a = add("a")
    hasty = make_engine(app.settings.database_url.get_secret_value(), lock_timeout_ms=50, statement_timeout_ms=200)
    with ThreadPoolExecutor(1) as pool:
        for change, outcome in (
            (lambda: catalog.ensure_index(hasty, a, above=0), True),
            (lambda: drop_index(hasty, a), None),
        ):
            with app.unit_of_work() as backup:
                backup.execute(text("set transaction isolation level repeatable read"))
                backup.execute(text("select count(*) from inventory_match.reference_embedding"))
                changing = pool.submit(change)
                until(lambda: rows(app, LOCKED) != [])
                time.sleep(0.3)
            assert changing.result(timeout=10) is outcome
    hasty.dispose()


def test_indexes_of_two_encoders_asked_for_at_once_are_both_made(app: App, add: Callable[[str], Encoder]) -> None:
    both = [add("a"), add("b")]
    with ThreadPoolExecutor(2) as pool:
        with app.unit_of_work() as backup:  # so that neither is done before the other begins
            backup.execute(text("set transaction isolation level repeatable read"))
            backup.execute(text("select count(*) from inventory_match.reference_embedding"))
            making = [pool.submit(catalog.ensure_index, app.engine, one, above=0) for one in both]
            time.sleep(0.5)
        assert [one.result(timeout=20) for one in making] == [True, True]


def test_vectors_of_a_pruned_encoder_stay_once_it_is_built_again(
    app: App, add: Callable[[str], Encoder], until: Callable[[Callable[[], bool]], None]
) -> None:
    """Whoever deletes and whoever builds wait for each other, or the encoder would be ready, and then without vectors."""
    a, b = add("a"), add("b")
    with app.unit_of_work() as session:
        switching.activate(session, b)
    with app.unit_of_work() as session:
        switching.prune(session, 0, NO_TIME)
    with ThreadPoolExecutor(1) as pool:
        with app.unit_of_work() as building:
            catalog.add_encoder(building, Record("a"), Thresholds(0.5, 0.1))
            deleting = pool.submit(switching.delete_vectors, app.engine, a)
            until(lambda: deleting.done() or rows(app, LOCKED) != [])
        assert deleting.result(timeout=10) == 0
    assert rows(app, "select done::int, state from inventory_match.encoder_builds where encoder = 'a'") == [
        (1, "building")
    ]
