"""Real workers that are stopped, killed, or given a task twice: photos in their hands are finished, by whom and when.

A photo is held in the middle by a lock on its location, which its settling waits for.
"""

from __future__ import annotations

import itertools
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import pytest
from kombu import Connection
from sqlalchemy import text

from inventory_match import chores, intake, pipeline
from inventory_match.bootstrap import App, migrations
from inventory_match.db import migrate, models
from inventory_match.domain.photos import ObjectRef, PhotoUploaded
from inventory_match.embedded.machine import Machine
from inventory_match.settings import PREFIX

from ..integration.encoders.conftest import rows, take_in, tiny
from ..integration.pipeline.conftest import regions, shelf_photo
from .conftest import LOCKED, kill, patiently, running, settings_of

CELERY = ("-m", "celery", "--quiet", "--app", "tests.faults.impatient", "worker", "--queues", "photos,chores,embedding")
OURS = ("-m", "inventory_match", "worker", "--concurrency", "2")
QUICK = ("--without-gossip", "--without-mingle")
FAST = {"photo_lease": "60", "torch_threads": "1", "rekick_after": "0.1"}


@dataclass
class Store:
    """A shop with a machine of its own, so that no other test's tasks are in its Redis."""

    app: App
    environment: dict[str, str]
    held_open: ExitStack
    numbers: Iterator[int] = field(default_factory=itertools.count)
    living: subprocess.Popen[str] | None = None

    def worker(self, *argv: str) -> subprocess.Popen[str]:
        """The worker that the test before left alive, or a new one: to start one takes seconds."""
        if self.living is None or self.living.poll() is not None:
            started = self.held_open.enter_context(running(*(argv or OURS), environment=self.environment))
            # It lives through several tests: a pipe that nobody reads would fill and stop it.
            threading.Thread(target=deque, args=(started.stdout, 200), daemon=True).start()
            self.living = started
        return self.living

    def upload(self, photos: int) -> list[int]:
        """So many photos, each of a shelf of its own, kicked."""
        found = []
        for number in itertools.islice(self.numbers, photos):
            code = f"shelf-{number}"
            with self.app.unit_of_work() as session:
                session.add(models.Location(store="s1", location=code, name=code))
                session.flush()
                session.add(models.Camera(
                    camera=code, store="s1", location=code, kind="shelf", key_pattern=f"{code}/{{any}}", regions=regions(2)
                ))  # fmt: skip
            ref: ObjectRef = self.app.store.put(self.app.settings.bucket, f"{code}/1.png", shelf_photo("A", "B"))
            found.append(PhotoUploaded(ref, datetime.now(UTC)))
        return intake.scan(found, self.app.unit_of_work, self.app.kicker, lambda _: None).registered

    @contextmanager
    def held(self, *photo_ids: int) -> Iterator[None]:
        """Until the end of the block whoever settles these waits."""
        with self.app.engine.connect() as connection:
            connection.execute(
                text(
                    "select from inventory_match.location where location in"
                    " (select location from inventory_match.photo where id = any(:ids)) for update"
                ),
                {"ids": list(photo_ids)},
            )
            yield

    def states(self, photo_ids: list[int]) -> list[tuple[str, int]]:
        sql = "select state, attempts::int from inventory_match.photo where id = any(:ids) order by id"
        return [(row[0], row[1]) for row in rows(self.app, sql, ids=photo_ids)]

    def waiting(self) -> int:
        return int(rows(self.app, LOCKED)[0][0])

    def in_the_middle(self, worker: subprocess.Popen[str]) -> psutil.Process:
        """The one of its processes that waits for the lock."""
        waits = (
            "select client_port from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )
        [[port]] = rows(self.app, waits)
        pool = psutil.Process(worker.pid).children(recursive=True)
        return next(
            child for child in pool if any(line.laddr and line.laddr.port == port for line in child.net_connections())
        )

    def counted_once(self, photo_ids: list[int]) -> bool:
        """Whether each photo was done, and no count of it stands in the ledger twice."""
        doubled = "select photo_id from inventory_match.stock_event group by photo_id, sku having count(*) > 1"
        return {state for state, _ in self.states(photo_ids)} == {"done"} and rows(self.app, doubled) == []


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("encoder")
    with Machine() as machine:
        files = {"encoder_file": str(tiny(folder).path), "encoder_cache": str(folder / "cache")}
        app = App(settings_of(machine, **FAST, **files))
        ours = {**FAST, **files, "webhook_allow": "127.0.0.1"}
        migrate.upgrade(app.engine, migrations())
        take_in(app, folder, 2)
        rows(app, 'update inventory_match.encoder set thresholds = \'{"accept": -1, "margin": 0}\' returning 1')
        with app.unit_of_work() as session:
            session.add(models.Store(store="s1", name="Shop"))
        environment = machine.environment() | {f"{PREFIX}{name.upper()}": value for name, value in ours.items()}
        with ExitStack() as held_open:
            yield Store(app, environment, held_open)
        app.engine.dispose()


@pytest.mark.timeout(120)
def test_a_task_longer_than_the_visibility_timeout_runs_once_in_effect(store: Store) -> None:
    """The broker gives its message out again while the first run still goes on; the second finds nothing to take."""
    impatient = store.worker(*CELERY, "--concurrency", "2", *QUICK)
    warm = store.upload(6)  # both processes have loaded the encoder
    patiently(lambda: store.counted_once(warm), process=impatient)
    [photo_id] = store.upload(1)
    with store.held(photo_id):
        patiently(lambda: store.waiting() == 1, process=impatient)
        slow = store.in_the_middle(impatient)
        slow.suspend()  # from here on it takes as long as we like
    patiently(lambda: given_out_again(store))
    [other] = store.upload(1)  # behind it in the queue: once this is done, the second run was
    patiently(lambda: store.states([other]) == [("done", 1)], process=impatient)
    assert store.states([photo_id]) == [("processing", 1)]
    assert store.waiting() == 0, "the second run does not wait for anything"
    slow.resume()
    patiently(lambda: store.counted_once([photo_id]), process=impatient)
    assert store.states([photo_id]) == [("done", 1)]


def given_out_again(store: Store) -> bool:
    """What any worker does now and then: looks for messages that nobody acknowledged for a second, and gives them back.

    True too where the worker itself was quicker: then no message is unacknowledged, though the photo is still in the middle.
    """
    url = store.app.settings.redis_url.get_secret_value()
    with Connection(url, transport_options={"visibility_timeout": 1}) as connection:
        channel: Any = connection.default_channel
        channel.qos.restore_visible(interval=1)
        return int(channel.client.hlen(channel.unacked_key)) == 0


@pytest.mark.timeout(120)
def test_sigterm_finishes_the_photos_in_hand_and_gives_the_rest_back(store: Store) -> None:
    """Each of its two processes has one."""
    photos = store.upload(4)
    stopped = store.worker()
    with store.held(*photos):
        patiently(lambda: store.waiting() == 2, process=stopped)
        stopped.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert stopped.poll() is None, "it has photos in hand"
    assert stopped.wait(20) == 0
    assert sorted(store.states(photos)) == [("done", 1)] * 2 + [("registered", 0)] * 2
    next_one = store.worker()
    patiently(lambda: store.counted_once(photos), process=next_one)
    assert store.states(photos) == [("done", 1)] * 4, "nobody had to take one a second time, and no sweep was needed"


@pytest.mark.timeout(120)
def test_what_a_worker_killed_as_a_whole_held_comes_back_by_the_sweep(store: Store) -> None:
    """The broker would give its messages back after an hour."""
    photos, doomed = store.upload(3), store.worker()
    with store.held(*photos):
        patiently(lambda: store.waiting() == 2, process=doomed)
        kill(doomed)
    patiently(lambda: store.waiting() == 0)
    assert sorted(store.states(photos)) == [("processing", 1), ("processing", 1), ("registered", 0)]
    # Their leases end now, instead of a minute later.
    rows(store.app, "update inventory_match.photo set next_attempt_at = now() where state = 'processing' returning 1")
    app = store.app
    due = chores.sweep(app.unit_of_work, app.kicker, 8, timedelta(0), datetime.now(UTC))
    assert set(photos) <= set(due), "all three are kicked"
    for photo_id in photos:
        eyes, chosen = app.sight()
        pipeline.process(photo_id, eyes, chosen, app.patience, app.unit_of_work, datetime.now(UTC))
    assert store.counted_once(photos)
    assert sorted(store.states(photos)) == [("done", 1), ("done", 2), ("done", 2)]


_TWICE = """
from workers.app import app, app_parts
from workers.tasks import process_photo

for _ in range(2):
    process_photo({photo_id})
    with app.connection() as connection:
        print("deliveries asked for:", connection.default_channel.client.llen("chores"), flush=True)
"""


@pytest.mark.timeout(120)
def test_a_kick_that_came_twice_asks_for_no_second_delivery(store: Store) -> None:
    """In a storm of kicks each would set one more chore before the photos that wait."""
    [photo_id] = store.upload(1)
    with Connection(store.app.settings.redis_url.get_secret_value()) as connection:
        before: Any = connection.default_channel
        waiting = before.client.llen("chores")
    with running("-c", _TWICE.format(photo_id=photo_id), environment=store.environment) as process:
        said, _ = process.communicate()
    asked = [int(line.rpartition(" ")[2]) for line in said.splitlines() if line.startswith("deliveries asked for")]
    assert asked == [waiting + 1, waiting + 1], said
    assert store.states([photo_id]) == [("done", 1)]
