"""What only the processes know, counted for Prometheus: seconds by stage, attempts, embedded crops, posted webhooks.

What stands in Postgres is not counted here but read there (`vitals.truth`). Where `PROMETHEUS_MULTIPROC_DIR` is set, as a
worker does for its pool, each process counts in files of its own in that folder; elsewhere in memory. prometheus_client
decides between the two when it is imported, so it is imported with the first figure. A figure that cannot be kept (disk full)
is given up with one line in the log: it is never worth a photo.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

import structlog

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Histogram

P = ParamSpec("P")
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
STAGE_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
ATTEMPTS = (1, 2, 3, 4, 6, 8)
_FILE_BYTES = 1 << 16
"""prometheus_client begins with as much, and our figures need about a third of it."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Figures:
    registry: CollectorRegistry
    stage: Histogram
    attempts: Histogram
    crops: Counter
    posts: Counter


@cache
def _figures() -> _Figures:
    from prometheus_client import CollectorRegistry, Counter, Histogram

    own = CollectorRegistry()
    prefix = "inventory_match"
    return _Figures(
        own,
        Histogram(
            f"{prefix}_stage_seconds", "Of one stage of one photo.", ["stage"], buckets=STAGE_SECONDS, registry=own
        ),
        Histogram(f"{prefix}_photo_attempts", "Until a photo came to rest.", buckets=ATTEMPTS, registry=own),
        Counter(f"{prefix}_crops_embedded", "Crops of photos that went through the encoder.", registry=own),
        Counter(f"{prefix}_webhook_posts", "POSTs to receivers.", ["outcome"], registry=own),
    )


class _Kept:
    """Which process has its files, and whether figures were given up."""

    pid: int | None = None
    given_up = False


def _never_in_the_way(count: Callable[P, None]) -> Callable[P, None]:
    @wraps(count)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        if _Kept.given_up:
            return
        try:
            _allot()
            count(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a figure, the photo goes on
            _Kept.given_up = True
            _log.warning("figures of this process are given up", cause=f"{type(error).__name__}: {error}")

    return guarded


def _allot() -> None:
    """Files with all their bytes on the disk, before they are mapped: a write to a mapped hole on a full disk is SIGBUS."""
    folder = os.environ.get(FOLDER)
    if folder is None or _Kept.pid == os.getpid():
        return
    for kind in ("histogram", "counter"):
        path = Path(folder, f"{kind}_{os.getpid()}.db")
        if not path.exists():
            half = path.with_suffix(".half")  # whoever reads the folder meanwhile must find whole files
            try:
                half.write_bytes(bytes(_FILE_BYTES))
                half.replace(path)
            finally:
                half.unlink(missing_ok=True)
    _Kept.pid = os.getpid()


@_never_in_the_way
def stage_took(stage: str, seconds: float) -> None:
    _figures().stage.labels(stage).observe(seconds)


@_never_in_the_way
def photo_rested(attempts: int) -> None:
    _figures().attempts.observe(attempts)


@_never_in_the_way
def crops_embedded(number: int) -> None:
    _figures().crops.inc(number)


@_never_in_the_way
def webhook_posted(outcome: str) -> None:
    """`outcome`: delivered, or failed (another attempt may follow)."""
    _figures().posts.labels(outcome).inc()


def exposed() -> bytes:
    """The figures of this process, or of all that share its folder, in Prometheus' text format."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector

    folder = os.environ.get(FOLDER)
    if folder is None:
        return generate_latest(_figures().registry)
    of_all = CollectorRegistry()
    MultiProcessCollector(of_all, path=folder)  # type: ignore[no-untyped-call]
    return generate_latest(of_all)
