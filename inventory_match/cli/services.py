"""The long-running processes, one a container: `intake` reads the queue, `worker` sees photos, `beat` keeps the chores.

Worker and beat become Celery itself (the process is replaced), so that signals, exit codes and memory are Celery's own.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from inventory_match.bootstrap import WORKERS, App
from inventory_match.cli.frame import with_app
from inventory_match.logs import configure_logging


@click.command()
@with_app
def intake(app: App) -> None:
    """Read the queue and register photos, until stopped.

    SIGTERM and Ctrl-C end it after the current poll (INVENTORY_MATCH_QUEUE_WAIT seconds at most); a second one at once.
    Either way nothing is lost: a message is deleted only when its photo is registered.
    """
    import structlog

    from inventory_match.intake import consume
    from inventory_match.vitals.endpoint import open_endpoint
    from inventory_match.vitals.pulse import Pulse

    configure_logging(app.settings.log_format, app.settings.log_level)
    stopping = threading.Event()

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    structlog.get_logger(__name__).info("intake reads the queue", queue=app.settings.queue_url)
    pulse = Pulse()
    open_endpoint("intake", app.settings, pulse)
    consume(app.queue, app.unit_of_work, app.kicker, app.settings.buckets, stopping, pulse.beat)


@click.command()
@click.option("--concurrency", type=click.IntRange(min=1), default=None, help="Processes; default: one a CPU.")
@click.option(
    "--queues", default="photos,chores,embedding", show_default=True, help="Which of them this worker serves."
)
@with_app
def worker(app: App, concurrency: int | None, queues: str) -> None:
    """See photos and run chores, until stopped. Needs no queue of S3: kicks come through Redis."""
    size = [] if concurrency is None else ["--concurrency", str(concurrency)]
    # A name of its own, so that several workers on one machine can be told apart and each answers a ping.
    name = f"inventory-match-{os.getpid()}@%h"
    quick = ["--without-gossip", "--without-mingle"]
    _become_celery(app, "worker", "--queues", queues, "--hostname", name, *quick, *size)


@click.command()
@click.option(
    "--schedule",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that remembers when each chore last ran; without it every chore waits its interval after a start.",
)
@with_app
def beat(app: App, schedule: Path | None) -> None:
    """Start the chores on time: sweep, deliveries, silence, digests, expiry. Run exactly one."""
    memory = ["--scheduler", "celery.beat:Scheduler"]
    _become_celery(app, "beat", *(memory if schedule is None else ["--schedule", str(schedule)]))


def _become_celery(app: App, command: str, *options: str) -> NoReturn:
    celery = [sys.executable, "-m", "celery", "--quiet", "--app", WORKERS]
    level = ["--loglevel", app.settings.log_level]
    os.execv(sys.executable, [*celery, command, *level, *options])  # noqa: S606 - no shell, our own arguments  # nosec B606
