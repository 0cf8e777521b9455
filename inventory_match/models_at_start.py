"""Whether this host has the models that photos are to be seen with, asked once before a worker takes the first of them.

A worker without them would fail every photo it takes, and take them from workers that could see them. A server that is away is
no reason to refuse: it is waited for, and so is a schema that somebody is still to bring up to date. One that is ahead of the
code is not: old workers go on beside new ones while a new version is rolled out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import structlog

from inventory_match.bootstrap import App, migrations
from inventory_match.db import catalog, migrate
from inventory_match.domain.errors import ConfigurationError, ServiceUnavailable

if TYPE_CHECKING:
    from inventory_match.vision.detection.weights import DetectorRecord
    from inventory_match.vision.weights import EncoderRecord

T = TypeVar("T")
_log = structlog.get_logger(__name__)
PAUSE_S = 2.0
"""Between tries while a server is away."""
TOLD_EVERY_S = 60.0
"""So often the log says for what a worker still waits."""


def check(app: App) -> EncoderRecord:
    """The encoder that photos are seen with.

    Raises ConfigurationError where a file that the settings name, or the active encoder's, is missing or not the one meant;
    ServiceUnavailable where Postgres or S3 does not answer, or the schema is behind, which says nothing about files.
    """
    if app.settings.encoder_file is not None:
        _configured(app)
    check_detector(app)
    check_schema(app)
    with app.unit_of_work() as session:
        row = catalog.active_encoder(session) if catalog.has_active_encoder(session) else None
    # A new database begins with the configured one.
    return _configured(app) if row is None else app.encoder_files.record(row)


def check_detector(app: App) -> DetectorRecord:
    """What finds facings. Raises ConfigurationError where the file that the settings name is missing or not the one meant."""
    return _named(lambda: app.detector_record, "DETECTOR", configured=app.settings.detector_file is not None)


def check_schema(app: App) -> None:
    """Raises ServiceUnavailable where Postgres does not answer, or holds an older schema than the code works with."""
    with app.unit_of_work() as session:
        connection = session.connection()
        if migrate.is_behind(connection, migrations()):
            here = migrate.current(connection) or "none"
            raise ServiceUnavailable(f"the schema is at {here}, older than the code; run `inventory-match db upgrade`")


def wait_for(app: App, ask: Callable[[App], T]) -> T:
    """What `ask`, one of the above, returns; waits while a server is away. Raises ConfigurationError as it does."""
    told, at = "", 0.0
    while True:
        try:
            return ask(app)
        except ServiceUnavailable as error:
            cause = str(error)
        if cause != told or time.monotonic() - at >= TOLD_EVERY_S:
            told, at = cause, time.monotonic()
            _log.warning("the worker waits to begin", cause=cause)
        time.sleep(PAUSE_S)


def _configured(app: App) -> EncoderRecord:
    return _named(lambda: app.encoder_record, "ENCODER", configured=app.settings.encoder_file is not None)


def _named(read: Callable[[], T], which: str, *, configured: bool) -> T:
    try:
        return read()
    except ConfigurationError as error:
        cure = f"or unset INVENTORY_MATCH_{which}_FILE and INVENTORY_MATCH_{which}_SHA256"
        raise ConfigurationError(f"{error}, {cure}" if configured else str(error)) from error
