"""The stages of a photo, each timed, counted, and logged with the photo's id: what operators read when they ask what takes
so long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import structlog

from inventory_match import measures

Stage = Literal["fetch", "decode", "detect", "embed", "verify", "settle"]
_log = structlog.get_logger(__name__)


@contextmanager
def of_photo(photo_id: int, attempt: int) -> Iterator[None]:
    """Every line logged inside, by whatever module, carries the photo and the attempt."""
    with structlog.contextvars.bound_contextvars(photo_id=photo_id, attempt=attempt):
        _log.info("photo taken")
        yield


@contextmanager
def stage(name: Stage) -> Iterator[None]:
    """One stage, in this order: fetch, decode, detect, embed, verify (of cameras that find facings by themselves), settle.
    Logged at its end; an error leaves it unfinished."""
    started = time.perf_counter()
    yield
    seconds = time.perf_counter() - started
    measures.stage_took(name, seconds)
    _log.info("stage done", stage=name, seconds=round(seconds, 4))
