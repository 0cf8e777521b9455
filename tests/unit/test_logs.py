"""The form of the logs: one JSON object a line, whoever wrote it, and no local variable of anybody."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

WRITES = """
import logging, sys, warnings
import structlog
from inventory_match.logs import configure_logging

configure_logging(sys.argv[1], "INFO")
warnings.warn("beware")
with structlog.contextvars.bound_contextvars(photo_id=7):
    structlog.get_logger("inventory_match.pipeline").info("ours", key="a\\nb %s")
    try:
        password = "geheim"
        raise ValueError("wrong\\nin two lines")
    except ValueError:
        logging.getLogger("celery.app.trace").error("Task %s failed", "t", exc_info=True)
"""


def written(form: str) -> str:
    done = subprocess.run([sys.executable, "-c", WRITES, form], capture_output=True, text=True, timeout=60, check=True)
    return done.stderr


def test_every_line_is_json_a_librarys_traceback_too() -> None:
    warned, ours, celery = map(json.loads, written("json").splitlines())
    assert "beware" in warned["event"]
    assert (ours["event"], ours["key"], ours["photo_id"]) == ("ours", "a\nb %s", 7)
    assert (celery["event"], celery["logger"], celery["level"]) == ("Task t failed", "celery.app.trace", "error")
    assert (celery["photo_id"], celery["exception"].splitlines()[-2:]) == (7, ["ValueError: wrong", "in two lines"])


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_no_local_variable(form: str) -> None:
    lines = written(form)
    assert "ValueError: wrong" in lines
    assert "geheim" not in lines
