"""A database for one piece of work on a server that may hold real ones: made, used, dropped, whatever happens in between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError

from inventory_match.domain.errors import ConfigurationError


def answers(url: str) -> bool:
    """Whether a server lets us in at this URL."""
    engine = create_engine(url, connect_args={"connect_timeout": 3})
    try:
        with engine.connect():
            return True
    except OperationalError:
        return False
    finally:
        engine.dispose()


@contextmanager
def scratch_database(server: str) -> Iterator[str]:
    """The URL of a new, empty database beside the one at `server`. Raises ConfigurationError where we may not make one."""
    name = f"inventory_match_scratch_{uuid4().hex[:12]}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    try:
        with admin.connect() as connection:
            connection.execute(text(f'create database "{name}"'))
    except DBAPIError as error:
        admin.dispose()
        cure = "grant the role CREATEDB, or let INVENTORY_MATCH_DATABASE_URL name another server"
        raise ConfigurationError(f"a scratch database cannot be made: {error.orig} ({cure})") from error
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f'drop database "{name}" with (force)'))
        admin.dispose()
