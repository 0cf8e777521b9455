"""Where logs go and what they look like, set once by whatever runs for long: workers, beat, intake, `up`."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

from inventory_match.domain.text import indented, printable

_TALKATIVE = ("botocore", "boto3", "s3transfer", "urllib3")
"""At DEBUG they print requests with their credentials: access key, signature, session token."""


def configure_logging(form: str, level: str) -> None:
    """Structured logs on stderr, for people (`console`) or for machines (`json`)."""
    import structlog

    logging.basicConfig(stream=sys.stderr, level=level, force=True)
    for handler in logging.root.handlers:
        handler.setFormatter(_Harmless("%(message)s"))
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.INFO, logging.getLevelName(level)))
    last = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.CallsiteParameterAdder({structlog.processors.CallsiteParameter.PROCESS}),
            structlog.processors.format_exc_info,  # without it the console would print the locals of every frame
            _harmless,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


class _Harmless(logging.Formatter):
    """For what libraries log, Celery above all: whatever a message or an error quotes, it stays one entry."""

    def format(self, record: logging.LogRecord) -> str:
        return indented(super().format(record))


def _harmless(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Values that strangers wrote (a key, the text of an error) neither forge a line nor reach the terminal as codes."""
    for name, value in entry.items():
        if isinstance(value, str):
            entry[name] = indented(value) if name == "exception" else printable(value)
    return entry
