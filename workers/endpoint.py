"""Health and metrics of a worker and of beat: opened in the parent process, which answers while the whole pool is busy.

The pool's processes count in files of a folder that the parent makes before it forks and reads when it is asked. The loop of
a worker beats its pulse from a timer of Celery's, beat with every look at its schedule.
"""

from __future__ import annotations

import os
import shutil
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import structlog
from celery import Celery, bootsteps
from celery.signals import beat_init, worker_init, worker_process_init, worker_shutdown

from inventory_match import measures
from inventory_match.settings import Settings
from inventory_match.vitals.pulse import Pulse

if TYPE_CHECKING:
    from inventory_match.vitals.server import Endpoint

_log = structlog.get_logger(__name__)
_pulse = Pulse()
_opened: list[Endpoint] = []
_folders: list[str] = []
"""The one we made for figures: the variable may name a folder of the host's, which is not ours to remove."""


class Watchable(bootsteps.StartStopStep):
    """Opens the endpoint once the pool has forked and before Redis is waited for."""

    requires = ("celery.worker.components:Pool",)

    def start(self, worker: Any) -> None:
        del worker
        _open("worker")

    def stop(self, worker: Any) -> None:
        del worker
        _close()


class Turning(bootsteps.StartStopStep):
    """Beats the pulse from the worker's event loop; Celery clears its timers whenever it connects anew."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        consumer.timer.call_repeatedly(1.0, _pulse.beat)


def watch(app: Celery) -> None:
    """Adds both to an application's workers."""
    app.steps["worker"].add(Watchable)
    app.steps["consumer"].add(Turning)


@worker_init.connect
def _share_figures(**_: object) -> None:
    """Before the fork, and before prometheus_client is imported."""
    if Settings().metrics_port is None:
        return
    try:
        _folders.append(mkdtemp(prefix="inventory-match-figures-"))
    except OSError as error:
        _log.warning("the pool's figures are not collected", cause=str(error))
        return
    os.environ[measures.FOLDER] = _folders[-1]


@worker_process_init.connect
def _let_go(**_: object) -> None:
    """A process forked later has the parent's socket: it would keep the port when the parent is gone."""
    for endpoint in _opened:
        endpoint.socket.close()
    _opened.clear()


@worker_shutdown.connect
def _clear(**_: object) -> None:
    _close()
    while _folders:
        folder = _folders.pop()
        if os.environ.get(measures.FOLDER) == folder:
            del os.environ[measures.FOLDER]
        shutil.rmtree(folder, ignore_errors=True)


@beat_init.connect
def _watch_beat(sender: Any, **_: object) -> None:
    tick = sender.scheduler.tick

    def turn(*args: Any, **more: Any) -> Any:
        _pulse.beat()
        return tick(*args, **more)

    sender.scheduler.tick = turn
    _open("beat")


def _open(role: str) -> None:
    from inventory_match.vitals.endpoint import open_endpoint  # imports prometheus_client, see `_share_figures`

    _pulse.beat()  # it waited to begin for as long as that took
    if endpoint := open_endpoint(role, Settings(), _pulse):
        _opened.append(endpoint)


def _close() -> None:
    while _opened:
        _opened.pop().close()
