"""`inventory-match up`: the whole product on one machine and in one terminal.

Servers first (`embedded.machine`), then the schema and the encoder, then what was uploaded while nobody listened, then our
own processes (`embedded.supervisor`). The ready line comes when a worker has answered, not when it was started.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from inventory_match import intake, models_at_start
from inventory_match.bootstrap import App, migrations
from inventory_match.checkup import QUEUES, queues_served
from inventory_match.cli.frame import opened, plain_errors, say
from inventory_match.db import catalog, migrate
from inventory_match.domain.errors import ConfigurationError, ServiceUnavailable
from inventory_match.settings import PREFIX, Settings

if TYPE_CHECKING:
    from inventory_match.embedded.machine import Machine
    from inventory_match.embedded.supervisor import Command

_PORT = click.IntRange(1, 65535)
_HERE = {"webhook_allow": "127.0.0.1,localhost,::1", "queue_wait": "2", "torch_threads": "1"}
"""What suits one machine, where nothing else is set: receivers on loopback, a quick stop, one thread a worker process."""
_THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@click.command()
@click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), default=Path(".inventory-match"), show_default=True,
    help="Everything is kept here; the same folder again goes on where it stopped.",
)  # fmt: skip
@click.option("--s3-port", type=_PORT, help="S3 and SQS; default: a free one, like the others.")
@click.option("--postgres-port", type=_PORT)
@click.option("--redis-port", type=_PORT)
@click.option("--bucket", default="shelf-photos", show_default=True)
@click.option("--queue", default="photo-events", show_default=True)
@click.option("--concurrency", type=click.IntRange(min=1), default=2, show_default=True, help="Worker processes.")
@click.option("--no-workers", is_flag=True, help="Servers and schema only.")
def up(
    data: Path, s3_port: int | None, postgres_port: int | None, redis_port: int | None, bucket: str, queue: str,
    concurrency: int, no_workers: bool,
) -> None:  # fmt: skip
    """Start Postgres, Redis, S3 + SQS, a worker, the intake and beat on this machine, until Ctrl-C."""
    with plain_errors(), _clean_stops():
        machine = _machine()(
            data, postgres_port=postgres_port, redis_port=redis_port, s3_port=s3_port, bucket=bucket, queue=queue
        )
        with machine:
            environment = _environment(machine.environment())
            values = {name.removeprefix(PREFIX).lower(): value for name, value in environment.items()}
            with opened(Settings.model_validate(values)) as app:
                prepare(app)
                _introduce(machine, environment)
                _run([] if no_workers else _commands(machine, concurrency), machine, app, environment)
    say("stopped")


def prepare(app: App) -> None:
    """Brings the schema up to date, sees to an encoder, and registers uploads whose messages were lost with a restart."""
    migrate.upgrade(app.engine, migrations())
    with app.unit_of_work() as session:
        if not catalog.has_active_encoder(session):
            catalog.register_encoder(session, app.encoder_record, app.encoder_record.thresholds)
    models_at_start.check(app)
    uploads = app.store.list_objects(app.settings.bucket)
    taken = intake.scan(uploads, app.unit_of_work, app.kicker, lambda _: None)
    if missed := len(taken.registered) + len(taken.unrouted):
        say(f"{missed} photos were uploaded while nobody listened; they are registered now")


def _run(commands: list[Command], machine: Machine, app: App, environment: Mapping[str, str]) -> None:
    """Until a stop is asked for, or a server dies."""
    from inventory_match.embedded.supervisor import Supervisor

    stopped = threading.Event()
    ready = f"ready: put photos into s3://{machine.bucket} at {machine.s3_endpoint}; Ctrl-C stops"
    asking = threading.Thread(target=_announce, args=(app, ready, stopped), daemon=True)
    if commands:
        asking.start()
    else:
        say(ready)
    everything = {**os.environ, **_THREADS, **environment}
    try:
        Supervisor(commands, environment=everything, say=say, check=machine.check).run()
    finally:
        stopped.set()
        if commands:
            asking.join(5)  # it must not ask a Redis that is being stopped


def _announce(app: App, ready: str, stopped: threading.Event) -> None:
    """Says that everything is ready, once workers answer for all queues."""
    while not stopped.is_set():
        with suppress(ServiceUnavailable):  # asked again; a Redis that died ends the supervisor, which says so
            if set[str]().union(*queues_served(app, seconds=0.5).values()) >= QUEUES:
                say(ready)
                return
        time.sleep(0.3)


def _commands(machine: Machine, concurrency: int) -> list[Command]:
    from inventory_match.embedded.supervisor import Command

    ours = [sys.executable, "-m", "inventory_match"]
    return [
        Command("worker", [*ours, "worker", "--concurrency", str(concurrency)], grace=20),
        Command("intake", [*ours, "intake"]),
        Command("beat", [*ours, "beat", "--schedule", str(machine.data / "beat-schedule")]),
    ]


def _environment(of_machine: Mapping[str, str]) -> dict[str, str]:
    """The settings of this machine, and what suits one machine unless a person has set it."""
    chosen = Settings().model_fields_set
    suits = {f"{PREFIX}{name.upper()}": value for name, value in _HERE.items() if name not in chosen}
    return {**suits, **of_machine}


def _introduce(machine: Machine, environment: Mapping[str, str]) -> None:
    """Where everything is, and the lines to paste (or the file to source) in another terminal."""
    for complaint in machine.complaints:
        say(f"not restored: {complaint}")
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(environment.items())]
    path = machine.data / "environment.sh"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write("\n".join([*lines, ""]))
    key, secret = (environment[f"{PREFIX}AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    for name, value in (
        ("S3 and SQS", f"{machine.s3_endpoint}  (access key {key}, secret key {secret})"),
        ("bucket", machine.bucket),
        ("queue", machine.queue_url),
        ("Postgres", machine.dsn),
        ("Redis", machine.redis_url),
        ("data", str(machine.data)),
    ):
        say(f"{name:<12}{value}")
    for line in ("", f"In another terminal:  source {shlex.quote(str(path))}", ""):
        say(line)
    for line in lines:
        say(line)
    say("")


def _machine() -> type[Machine]:
    try:
        from inventory_match.embedded.machine import Machine
    except ImportError as error:
        cure = "pip install 'inventory-match[embedded]'"
        raise ConfigurationError(f"{error.name} is not installed; {cure}") from error
    return Machine


@contextmanager
def _clean_stops() -> Iterator[None]:
    """SIGTERM and a closed terminal end like Ctrl-C, at any moment: servers stopped, exit code 0."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    with suppress(KeyboardInterrupt):
        yield
