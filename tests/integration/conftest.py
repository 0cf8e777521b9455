"""A migrated database for each need, on the real Postgres of the `machine` fixture.

`session` shares one database and is rolled back, which is fast. `app` gets a database of its own for tests that must commit
or that use several connections. Both are clones of a template that is migrated once, so no test waits for migrations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from uuid import uuid4

import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.orm import Session

from inventory_match.bootstrap import App, migrations
from inventory_match.db import migrate
from inventory_match.db.engine import UnitOfWork, make_engine
from inventory_match.embedded.machine import Machine
from inventory_match.settings import Settings


@contextmanager
def fresh_database(server: str, template: str = "template1") -> Iterator[str]:
    """The URL of a new database, dropped at the end."""
    name = f"test_{uuid4().hex[:12]}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        # Files copied as they are: the other way, through the log, takes Postgres six times the work.
        connection.execute(text(f'create database "{name}" template "{template}" strategy file_copy'))
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f'drop database "{name}" with (force)'))
        admin.dispose()


@pytest.fixture(scope="session")
def template(machine: Machine) -> Iterator[str]:
    """The name of a migrated database to which nothing is connected."""
    with fresh_database(machine.dsn) as url:
        engine = make_engine(url)
        migrate.upgrade(engine, migrations())
        engine.dispose()
        yield str(make_url(url).database)


@pytest.fixture(scope="session")
def new_database(machine: Machine, template: str) -> Callable[[], AbstractContextManager[str]]:
    """For a test file that fills a database of its own: `with new_database() as url`."""
    return lambda: fresh_database(machine.dsn, template)


@pytest.fixture(scope="session")
def database_url(machine: Machine, template: str) -> Iterator[str]:
    """The database that `session` shares: nothing in it is ever committed."""
    with fresh_database(machine.dsn, template) as url:
        yield url


@pytest.fixture(scope="session")
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url)
    yield made
    made.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """A session whose commits are savepoints of a transaction that is rolled back."""
    with engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, expire_on_commit=False, join_transaction_mode="create_savepoint") as session:
            yield session
        outer.rollback()


@pytest.fixture
def app(machine: Machine, template: str) -> Iterator[App]:
    """The product on the machine's services with a database of its own, in which commits are real."""
    with fresh_database(machine.dsn, template) as url:
        prefix = "INVENTORY_MATCH_"
        values = {name.removeprefix(prefix).lower(): value for name, value in machine.environment().items()}
        made = App(Settings.model_validate(values | {"database_url": url, "queue_wait": 1}))
        yield made
        made.engine.dispose()


@pytest.fixture
def unit_of_work(app: App) -> UnitOfWork:
    """Commits, in the database of `app`."""
    return app.unit_of_work
