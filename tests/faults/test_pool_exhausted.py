"""More connections wanted than there are: the wait is bounded, and the error says what to change."""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest
from sqlalchemy import make_url, text

from inventory_match.bootstrap import App
from inventory_match.db.engine import UnitOfWork, make_engine
from inventory_match.domain.errors import ServiceUnavailable


def test_who_finds_no_free_connection_waits_a_bounded_time_and_is_told_what_to_do(app: App) -> None:
    engine = make_engine(app.settings.database_url.get_secret_value(), pool_size=1, pool_wait=0.3)
    unit_of_work = UnitOfWork(engine)
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(unit_of_work()).execute(text("select 1"))
        begun = time.monotonic()
        told = r"no database connection became free .*worker --concurrency"
        with pytest.raises(ServiceUnavailable, match=told), unit_of_work() as session:
            session.execute(text("select 1"))
        assert 0.3 <= time.monotonic() - begun < 5
    with unit_of_work() as session:
        assert session.scalar(text("select 1")) == 1, "and with those given back it goes on"
    engine.dispose()


def test_a_server_that_takes_no_more_connections_is_an_outage_with_its_cure(app: App) -> None:
    """The limit of one role here, of the whole server elsewhere: Postgres refuses both before there is a session."""
    url = make_url(app.settings.database_url.get_secret_value())
    with app.unit_of_work() as session:
        session.execute(text("create role one_only login password 'x' connection limit 0"))
    engine = make_engine(url.set(username="one_only", password="x").render_as_string(hide_password=False))
    try:
        told = r"(?s)too many connections for role .*max_connections"
        with pytest.raises(ServiceUnavailable, match=told), UnitOfWork(engine)() as session:
            session.execute(text("select 1"))
    finally:
        with app.unit_of_work() as session:
            session.execute(text("drop role one_only"))
