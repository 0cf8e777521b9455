"""Where a soak stands: servers of its own, the saboteurs in between, and two ways to them: a healthy one and the subject's."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import boto3
from sqlalchemy import text

from inventory_match.bootstrap import App
from inventory_match.domain.errors import ServiceUnavailable
from inventory_match.embedded.machine import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Machine
from inventory_match.rendering.catalog import write_catalog
from inventory_match.rendering.designs import PackDesign
from inventory_match.s3.clients import sqs_client
from inventory_match.s3.queue import SqsQueue
from inventory_match.settings import PREFIX, Settings
from inventory_match.soak.plan import Plan
from inventory_match.soak.receivers import FaultyReceiver
from inventory_match.soak.s3_faults import FaultyS3
from inventory_match.soak.sqs_events import TwistedNews
from inventory_match.webhooks.signing import new_secret

QUEUE = "twisted-events"
QUICK = {
    "photo_lease": "20",
    "photo_retry_wait": "0.3",
    "rekick_after": "4",
    "sweep_interval": "1",
    "deliver_interval": "1",
    "queue_wait": "1",
    "aws_read_timeout": "3",
    "webhook_timeout": "1",
    "webhook_schedule": "0.3,0.5,1,2",
    "webhook_allow": "127.0.0.1",
    "torch_threads": "1",
    "log_format": "json",
    "view_layout": "0",
}
"""A day of faults in minutes: whatever waits by the clock waits less. Its shelves are packs from edge to edge; one sold empty
shows nothing that a camera's view could be known by."""
T = TypeVar("T")
_PATIENCE_S = 30.0
"""How long a server that is being restarted may take to answer us."""


@dataclass(frozen=True, slots=True)
class Stand:
    """Everything between the plan and the subject. `environment` is what the subject's processes get."""

    plan: Plan
    machine: Machine
    app: App
    s3: FaultyS3
    news: TwistedNews
    receiver: FaultyReceiver
    secret: str
    catalog: Path
    environment: dict[str, str]

    @property
    def receiver_url(self) -> str:
        return self.receiver.url

    @property
    def environment_of_processes(self) -> dict[str, str]:
        """Ours and nobody else's settings, and one thread a process."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        return clean | {"OMP_NUM_THREADS": "1"} | self.environment

    def rows(self, sql: str, **values: object) -> list[tuple[Any, ...]]:
        """Asked again while Postgres is being restarted."""

        def ask() -> list[tuple[Any, ...]]:
            with self.app.unit_of_work() as session:
                return [tuple(row) for row in session.execute(text(sql), values)]

        return patiently(ask)

    def upload(self, key: str, data: bytes) -> None:
        """As a camera would."""
        self.app.store.put(self.app.settings.bucket, key, data)

    def calm(self) -> None:
        """Every server behaves from now on, and late news is told."""
        self.s3.calm()
        self.receiver.calm()
        self.news.calm()


def patiently(ask: Callable[[], T]) -> T:
    """The answer, waited for while a server is away on purpose. Raises ServiceUnavailable in the end."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return ask()
        except ServiceUnavailable:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


@contextmanager
def standing(plan: Plan, designs: Sequence[PackDesign], folder: Path) -> Iterator[Stand]:
    """Servers and saboteurs up, nothing prepared; all of it is gone at the end. `folder` gets the catalog's pictures."""
    with ExitStack() as held:
        machine = held.enter_context(Machine())
        faulty = held.enter_context(FaultyS3(machine.s3_endpoint, machine.bucket, plan.storm))
        secret = new_secret(secrets.token_bytes(32))
        receiver = held.enter_context(FaultyReceiver(secret, plan.seed))
        twisted = _second_queue(machine)
        ours = machine.environment() | {f"{PREFIX}{name.upper()}": value for name, value in QUICK.items()}
        app = App(_settings(ours | {f"{PREFIX}QUEUE_URL": twisted}))
        held.callback(app.engine.dispose)
        news = held.enter_context(TwistedNews(_queue(machine, machine.queue_url), app.queue, plan.storm, plan.seed))
        through = {
            "S3_ENDPOINT": faulty.endpoint,
            "SQS_ENDPOINT": faulty.endpoint,
            "QUEUE_URL": twisted.replace(machine.s3_endpoint, faulty.endpoint),
        }
        environment = ours | {f"{PREFIX}{name}": value for name, value in through.items()}
        catalog = write_catalog(folder / "catalog", designs, references=1)
        yield Stand(plan, machine, app, faulty, news, receiver, secret, catalog, environment)


def _settings(environment: dict[str, str]) -> Settings:
    return Settings.model_validate({name.removeprefix(PREFIX).lower(): value for name, value in environment.items()})


def _second_queue(machine: Machine) -> str:
    """The bucket tells the first queue; what the subject reads is this one."""
    client = boto3.session.Session(ACCESS_KEY_ID, SECRET_ACCESS_KEY, region_name=machine.region).client(
        "sqs", endpoint_url=machine.s3_endpoint
    )
    try:
        client.create_queue(QueueName=QUEUE)
    finally:
        client.close()
    return machine.queue_url.rpartition("/")[0] + f"/{QUEUE}"


def _queue(machine: Machine, url: str) -> SqsQueue:
    client = sqs_client(machine.s3_endpoint, machine.region, ACCESS_KEY_ID, SECRET_ACCESS_KEY)
    return SqsQueue(client, url, wait_seconds=1)
