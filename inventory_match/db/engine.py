"""The engine and the unit of work: every change is one transaction that rolls back unless it reaches its end.

Connections speak UTC, know pgvector's types, and carry timeouts, so that a lost lock or a runaway statement becomes a
Transient error instead of a worker that hangs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from pgvector.psycopg import register_vector
from sqlalchemy import Engine, create_engine, event, func, select
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from inventory_match.domain.errors import ServiceUnavailable

_RETRYABLE = ("40001", "40P01", "55P03", "57014", "57P01", "57P02", "57P03")
"""Serialization, deadlock, lock timeout, cancelled, shutdown (three kinds)."""
_RETRYABLE_CLASSES = ("08", "53")
"""The connection broke; the server is short of something: disk, memory, connections."""
_FEWER = "start fewer worker processes (--concurrency), or raise max_connections of Postgres"
_CURES = {
    "No space left on device": "free space on the disk of Postgres",
    "too many clients": _FEWER,
    "too many connections": _FEWER,
    "remaining connection slots": _FEWER,
}
"""By what a refused login says: it has no code. Servers that speak another language lose only the advice."""


def make_engine(
    url: str,
    *,
    pool_size: int = 5,
    pool_wait: float = 10,
    lock_timeout_ms: int = 10_000,
    statement_timeout_ms: int = 60_000,
) -> Engine:
    """An engine for a `postgresql+psycopg://` URL: at most `2 * pool_size` connections for one process.

    Who needs one waits at most `pool_wait` seconds for it; the unit of work then raises ServiceUnavailable.
    """
    options = f"-c timezone=UTC -c lock_timeout={lock_timeout_ms} -c statement_timeout={statement_timeout_ms}"
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=pool_wait,
        pool_pre_ping=True,
        hide_parameters=True,  # an error's text ends in logs, and among the parameters are webhook secrets
        connect_args={"options": options, "connect_timeout": 10, "application_name": "inventory-match"},
    )

    @event.listens_for(engine, "connect")
    def _know_vectors(connection, _record):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - SQLAlchemy's hook
        if connection.execute("select 1 from pg_type where typname = 'halfvec'").fetchone():
            register_vector(connection)
        connection.rollback()

    return engine


class UnitOfWork:
    """Opens one transaction at a time: `with unit_of_work() as session: ...` commits at the end or rolls back."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def __call__(self) -> Iterator[Session]:
        with database_errors(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session


def now(session: Session) -> datetime:
    """The database's clock, UTC: the one that all workers share."""
    return session.execute(select(func.now())).scalar_one()


@contextmanager
def database_errors() -> Iterator[None]:
    """Those that may pass become ServiceUnavailable, others stay what they are."""
    try:
        yield
    except PoolTimeout as error:
        raise ServiceUnavailable(
            f"no database connection became free ({str(error).partition(' (')[0]}): this process does more at once than its"
            " pool holds; run fewer threads in it, and more processes instead (worker --concurrency)"
        ) from error
    except DBAPIError as error:
        if is_transient(error):
            raise ServiceUnavailable(f"database: {error.orig}{_cure(str(error.orig))}") from error
        raise


def _cure(said: str) -> str:
    return next((f" ({cure})" for sign, cure in _CURES.items() if sign in said), "")


def is_transient(error: DBAPIError) -> bool:
    """Whether the same transaction may succeed later."""
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return error.connection_invalidated or isinstance(error, OperationalError)
    return state in _RETRYABLE or state.startswith(_RETRYABLE_CLASSES)
