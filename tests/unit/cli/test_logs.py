"""The log of a process, written by ourselves and by libraries: one entry a line, and no code for a terminal in it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = r"""
import logging, sys
import structlog
from inventory_match.logs import configure_logging
configure_logging(sys.argv[1], "DEBUG")
key = "a\n2026-01-01T00:00:00Z [info     ] forged\r\x1b[2J\x9b31m\u202e\u2028\x85b"
secret_in_a_local = "GEHEIM" + "LOCAL"
structlog.get_logger("ours").info("photo left", key=key, listed=[key])
logging.getLogger("celery.worker").error("Task raised %s", key)
try:
    raise ValueError(key)
except ValueError:
    structlog.get_logger("ours").exception("failed", key=key)
    logging.getLogger("celery.app.trace").exception("failed")
logging.getLogger("botocore.auth").debug("Authorization: %s", "GEHEIM")
logging.getLogger("urllib3.connectionpool").debug("GEHEIM")
"""


@pytest.mark.parametrize("form", ["console", "json"])
def test_no_value_forges_a_line_or_reaches_the_terminal_as_a_code(form: str) -> None:
    ended = subprocess.run([sys.executable, "-c", SCRIPT, form], capture_output=True, check=True)
    lines = ended.stderr.decode().removesuffix("\n").split("\n")
    assert all(line.isprintable() for line in lines), ended.stderr
    assert len(lines) >= 4
    assert not any(line.startswith("2026-01-01T00:00:00Z") for line in lines), "forged"
    assert "forged" in ended.stderr.decode(), "and nothing is lost"
    if form == "json":
        events = [json.loads(line)["event"] for line in lines]
        assert (events[0], events[1][:11], *events[2:]) == ("photo left", "Task raised", "failed", "failed")


def test_neither_the_locals_of_a_failure_nor_the_requests_of_libraries_are_logged() -> None:
    """At DEBUG botocore prints its requests with their authorization."""
    ended = subprocess.run([sys.executable, "-c", SCRIPT, "console"], capture_output=True, check=True)
    assert ended.stderr.count(b"Traceback") == 2
    assert b"GEHEIM" not in ended.stderr
