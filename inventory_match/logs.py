"""Where logs go and what they look like, set once by whatever runs for long: workers, beat, intake, `up`."""

from __future__ import annotations

import sys


def configure_logging(form: str, level: str) -> None:
    """Structured logs on stderr, for people (`console`) or for machines (`json`)."""
    import logging

    import structlog

    logging.basicConfig(format="%(message)s", stream=sys.stderr, level=level, force=True)
    last = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.CallsiteParameterAdder({structlog.processors.CallsiteParameter.PROCESS}),
            structlog.processors.format_exc_info,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
