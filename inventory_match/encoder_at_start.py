"""Whether this host has the encoder that photos are to be seen with, asked once before a worker takes the first of them.

A worker without it would fail every photo it takes, and take them from workers that could see them. A server that is away is
no reason to refuse: it is waited for, and so is a schema that somebody is still to bring up to date.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import ProgrammingError

from inventory_match.bootstrap import App
from inventory_match.db import catalog
from inventory_match.domain.errors import ConfigurationError, ServiceUnavailable

if TYPE_CHECKING:
    from inventory_match.vision.weights import EncoderRecord

_log = structlog.get_logger(__name__)
PAUSE_S = 2.0
"""Between tries while a server is away."""
_NO_SCHEMA = ("42P01", "42703", "3F000")
"""A table, a column, a schema that is not there (yet)."""


def check(app: App) -> EncoderRecord:
    """The encoder that photos are seen with.

    Raises ConfigurationError where the file that the settings name, or the active encoder's, is missing or not the one meant;
    ServiceUnavailable where Postgres or S3 does not answer, which says nothing about files.
    """
    if app.settings.encoder_file is not None:
        _configured(app)
    with app.unit_of_work() as session:
        row = catalog.active_encoder(session) if catalog.has_active_encoder(session) else None
    # A new database begins with the configured one.
    return _configured(app) if row is None else app.encoder_files.record(row)


def wait_for(app: App) -> EncoderRecord:
    """What `check` returns; waits while a server is away. Raises ConfigurationError as it does."""
    while True:
        try:
            return check(app)
        except ServiceUnavailable as error:
            _log.warning("the worker waits to begin", cause=str(error))
        except ProgrammingError as error:
            if getattr(error.orig, "sqlstate", None) not in _NO_SCHEMA:
                raise
            _log.warning("the worker waits to begin", cause="no schema yet; run `inventory-match db upgrade`")
        time.sleep(PAUSE_S)


def _configured(app: App) -> EncoderRecord:
    try:
        return app.encoder_record
    except ConfigurationError as error:
        cure = "or unset INVENTORY_MATCH_ENCODER_FILE and INVENTORY_MATCH_ENCODER_SHA256"
        raise ConfigurationError(f"{error}, {cure}" if app.settings.encoder_file else str(error)) from error
