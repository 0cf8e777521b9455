"""Where logs go and what they look like, set once by whatever runs for long: workers, beat, intake, `up`.

Our own lines and those of libraries (Celery's tracebacks among them) come out in the same form: everything goes through the
standard library's root handler, whose formatter is structlog's. Its lock is one that Python renews in forked children.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from inventory_match.domain.text import indented, printable

if TYPE_CHECKING:
    from structlog.typing import Processor

_TALKATIVE = dict.fromkeys(("botocore", "boto3", "s3transfer", "urllib3"), logging.INFO) | {"alembic": logging.WARNING}
"""At DEBUG the first four print requests with their credentials: access key, signature, session token. The last names its
plugins whenever somebody asks whether the schema is up to date."""
_OF_SEVERAL_LINES = ("event", "exception")


def configure_logging(form: str, level: str) -> None:
    """Structured logs on stderr, for people (`console`) or for machines (`json`)."""
    import structlog

    shared = _shared()
    last = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    # Formatted here: left to itself the console would print the locals of every frame, and among them are secrets.
    plainly: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
    ]
    plainly += [last] if form == "json" else [_harmless, last]  # JSON has escapes of its own
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=plainly))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(capture=True)
    for name, least in _TALKATIVE.items():
        logging.getLogger(name).setLevel(max(least, logging.getLevelName(level)))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def _shared() -> list[Processor]:
    import structlog

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.CallsiteParameterAdder({structlog.processors.CallsiteParameter.PROCESS}),
        structlog.processors.StackInfoRenderer(),
    ]


def _harmless(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Values that strangers wrote (a key, the text of an error) neither forge a line nor reach the terminal as codes."""
    for name, value in entry.items():
        if isinstance(value, str):
            entry[name] = indented(value) if name in _OF_SEVERAL_LINES else printable(value)
    return entry
