"""What the faults share: a machine of their own to break, a shop on it, and real processes that can be killed.

The other tests' machine is never broken: their connections would break with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import make_url

from inventory_match.bootstrap import App, migrations
from inventory_match.db import migrate
from inventory_match.embedded.machine import Machine
from inventory_match.settings import PREFIX, Settings

from ..integration.conftest import app, template
from ..integration.pipeline.conftest import Shop, empty_shop, shop, until

__all__ = ["Shop", "app", "empty_shop", "shop", "template", "until"]
ROOT = Path(__file__).parents[2]
LOCKED = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
"""Sessions of this database that wait for another one's lock: how a test knows that somebody is in the middle of something."""


def settings_of(machine: Machine, **more: object) -> Settings:
    values = {name.removeprefix(PREFIX).lower(): value for name, value in machine.environment().items()}
    return Settings.model_validate(values | {"queue_wait": 0} | more)


@pytest.fixture(scope="session")
def breakable() -> Iterator[Machine]:
    """To be restarted at will."""
    with Machine() as machine:
        yield machine


@pytest.fixture
def fragile(breakable: Machine) -> Iterator[Shop]:
    """The shop of the pipeline's tests (`cam` watches four places), in a database of its own on `breakable`."""
    name = f"test_{uuid4().hex[:12]}"  # it goes with the machine
    with psycopg.connect(breakable.dsn.replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute(f'create database "{name}"')
    url = make_url(breakable.dsn).set(database=name).render_as_string(hide_password=False)
    made = App(settings_of(breakable, database_url=url))
    migrate.upgrade(made.engine, migrations())
    yield stocked(made)
    made.engine.dispose()


def stocked(made: App) -> Shop:
    """A shop with a catalog, one shelf camera, and a policy under which everything is low at 1."""
    opened = Shop(made)
    opened.stock()
    opened.camera("cam", 4)
    opened.policy(reorder_point=1, clear_point=3, target_level=6, pack_size=2)
    return opened


@contextmanager
def running(*argv: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A Python process with these arguments, in a session of its own; killed with its children at the end."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    with subprocess.Popen(
        [sys.executable, *argv], cwd=ROOT, env=clean | environment, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    """-9, to the process and every child of it."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def patiently(true: Callable[[], bool], seconds: float = 60, *, process: subprocess.Popen[str] | None = None) -> None:
    """Waits for what other processes do; fails with what `process` said where it ends first."""
    ends = time.monotonic() + seconds
    while not true():
        if process is not None and process.poll() is not None:
            pytest.fail(f"it ended with {process.returncode}: {process.communicate()[0]}")
        assert time.monotonic() < ends, f"it did not happen within {seconds:g} seconds"
        time.sleep(0.05)
