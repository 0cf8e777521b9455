"""Where logs go and what they look like, set once by whatever runs for long: workers, beat, intake, `up`.

Our own lines and those of libraries (Celery's tracebacks among them) come out in the same form: everything goes through the
standard library's root handler, whose formatter is structlog's. Its lock is one that Python renews in forked children.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from structlog.typing import Processor


def configure_logging(form: str, level: str) -> None:
    """Structured logs on stderr, for people (`console`) or for machines (`json`)."""
    import logging

    import structlog

    shared = _shared()
    ends: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if form == "json":
        ends += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # Not the rich traceback that structlog prefers: it shows local variables, and among them are secrets.
        plain = structlog.dev.plain_traceback
        ends += [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=plain)]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=ends))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(capture=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of its plugins whenever it is imported
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
