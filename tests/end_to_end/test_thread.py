"""The whole thread through real processes: JPEGs put into S3, a Celery worker, stock rows, one reorder, verified webhooks.

Nothing is replaced: Postgres, Redis and the S3 protocol are the machine's, the encoder is the shipped one, and what arrives
is verified by the reference library of Standard Webhooks, not by our own code.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import psutil
import pytest
from botocore.config import Config
from PIL import Image
from sqlalchemy import text
from standardwebhooks import Webhook

from inventory_match import catalog_file, site_file
from inventory_match.apply_site import apply_site
from inventory_match.bootstrap import App, migrations
from inventory_match.db import migrate, outbox
from inventory_match.embedded.loopback import choose_port
from inventory_match.embedded.machine import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Machine
from inventory_match.enrol import import_catalog
from inventory_match.rendering.catalog import write_catalog
from inventory_match.rendering.designs import PackDesign, product
from inventory_match.rendering.studio import studio_view
from inventory_match.settings import Settings
from inventory_match.webhooks.signing import new_secret

from . import telling

ROOT = Path(__file__).parents[2]
PACKS = [product(7, index) for index in range(6)]
PLACE = (240, 360)
"""Width and height, px, of one facing."""
SITE = """
[stores.s1]
name = "Shop"

{locations}

[stores.s1.products.{watched}.policy]
reorder_point = 1
clear_point = 2
target_level = 6
pack_size = 4
"""
CAMERA = """
[stores.s1.locations.{code}]
name = "Shelf {code}"

[[stores.s1.cameras]]
id = "{code}"
location = "{code}"
kind = "shelf"
keys = "s1/{code}/{{captured_at}}.jpg"
regions = [[0.0, 0.0, 0.25, 1.0], [0.25, 0.0, 0.5, 1.0], [0.5, 0.0, 0.75, 1.0], [0.75, 0.0, 1.0, 1.0]]
"""
FAST = {
    "photo_lease": "200",
    "photo_retry_wait": "0.5",
    "decode_seconds": "8",
    "sweep_interval": "1",
    "deliver_interval": "1",
    "rekick_after": "1",
    "queue_wait": "1",
    "webhook_schedule": "0.2,0.2,0.2",
    "webhook_allow": "127.0.0.1",
    "torch_threads": "1",
    "log_format": "json",
}


@dataclass
class Inbox:
    """What a receiver got: raw headers and bodies, because signatures are of bytes."""

    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""
    secret: str = ""

    def verified(self) -> list[dict[str, Any]]:
        """Every body, each checked by the reference library, in order of arrival."""
        return [Webhook(self.secret).verify(body, headers) for headers, body in self.posts]


@dataclass
class Thread:
    """The running system, but for its workers."""

    app: App
    environment: dict[str, str]
    inbox: Inbox
    logs: Path
    taken: datetime = datetime(2026, 3, 2, 8, tzinfo=UTC)

    def upload(self, camera: str, *facings: PackDesign | None) -> None:
        """As a camera would: any S3 client, a key of the agreed form."""
        self.taken += timedelta(minutes=5)
        settings = self.app.settings
        s3 = boto3.client(
            "s3",
            endpoint_url=settings.s3_endpoint,
            region_name=settings.aws_region,
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
            config=Config(s3={"addressing_style": "path"}),
        )
        key = f"s1/{camera}/{self.taken:%Y%m%dT%H%M%S}.jpg"
        s3.put_object(Bucket=settings.bucket, Key=key, Body=shelf(facings))
        s3.close()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.app.unit_of_work() as session:
            return [tuple(row) for row in session.execute(text(sql))]

    def until(self, true: Callable[[], bool], seconds: float = 90) -> None:
        ends = time.monotonic() + seconds
        while not true():
            photos = self.rows("select id, state, attempts, cause from inventory_match.photo")
            assert time.monotonic() < ends, f"not within {seconds} s; photos: {photos}"
            time.sleep(0.1)

    @contextmanager
    def process(self, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        """One of our commands, in a session of its own; ended with all its children. It logs into a file of `logs`."""
        argv = [sys.executable, "-m", "inventory_match", *command]
        with (
            (self.logs / f"{command[0]}.log").open("ab") as log,
            subprocess.Popen(argv, cwd=ROOT, env=self.environment, stderr=log, start_new_session=True) as running,
        ):
            try:
                yield running
            finally:
                kill(running)


def kill(running: subprocess.Popen[bytes]) -> None:
    """-9, to the process and every child of it."""
    if running.poll() is None:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def shelf(facings: Sequence[PackDesign | None]) -> bytes:
    """A JPEG with one facing beside the other; None is the bare shelf."""
    width, height = PLACE
    photo = Image.new("RGB", (width * len(facings), height), (150, 146, 140))
    for i, design in enumerate(facings):
        if design is not None:
            pack = studio_view(design, np.random.default_rng(1), plain=True).resize(PLACE)
            photo.paste(pack, (i * width, 0))
    out = BytesIO()
    photo.save(out, "JPEG", quality=92)
    return out.getvalue()


@contextmanager
def receiver() -> Iterator[Inbox]:
    inbox = Inbox(secret=new_secret(secrets.token_bytes(32)))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            inbox.posts.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    inbox.url = f"http://127.0.0.1:{server.server_port}/"
    serving = threading.Thread(target=server.serve_forever, args=(0.05,))
    serving.start()
    try:
        yield inbox
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


@pytest.fixture(scope="module")
def thread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Thread]:
    """A machine of its own, so that no other test's photos are in its queue; site, catalog, receiver and intake."""
    with ExitStack() as held:
        machine = held.enter_context(Machine())
        inbox = held.enter_context(receiver())
        chosen = FAST | {"metrics_port": str(choose_port(None, name="metrics"))}
        ours = machine.environment() | {f"INVENTORY_MATCH_{name.upper()}": value for name, value in chosen.items()}
        prefix = "INVENTORY_MATCH_"
        app = App(Settings.model_validate({name.removeprefix(prefix).lower(): value for name, value in ours.items()}))
        migrate.upgrade(app.engine, migrations())
        held.callback(app.engine.dispose)
        cameras = "".join(CAMERA.format(code=code) for code in ("thread", "killed", "hung", "oom"))
        site = site_file.parse(SITE.format(locations=cameras, watched=PACKS[0].sku), "site.toml")
        apply_site(app.unit_of_work, app.kicker, site, datetime.now(UTC))
        catalog = write_catalog(tmp_path_factory.mktemp("catalog"), PACKS, references=1)
        assert import_catalog(app.studio, app.unit_of_work, catalog_file.read(catalog), strict=True).bad == []
        with app.unit_of_work() as session:
            outbox.add_endpoint(session, inbox.url, inbox.secret, [])
        clean = {name: value for name, value in os.environ.items() if not name.startswith(prefix)}
        made = Thread(app, clean | ours, inbox, tmp_path_factory.mktemp("logs"))
        held.enter_context(made.process("intake"))
        yield made


@pytest.fixture(scope="module")
def workers(thread: Thread) -> Iterator[None]:
    """One worker and beat."""
    with thread.process("worker", "--concurrency", "1"), thread.process("beat"):
        yield


@pytest.mark.timeout(240)
def test_a_worker_killed_in_the_middle_of_a_photo_leaves_it_to_be_finished_once(
    thread: Thread, request: pytest.FixtureRequest
) -> None:
    """While its location is held by somebody else it cannot settle what it saw: time enough to be killed in."""
    d, e = PACKS[3:5]
    with thread.process("worker", "--concurrency", "1") as doomed, thread.app.engine.connect() as held:
        held.execute(text("select from inventory_match.location where location = 'killed' for update"))
        thread.upload("killed", d, d, e, e)
        thread.until(lambda: states(thread, "killed") == {"processing": 1})
        kill(doomed)
    assert states(thread, "killed") == {"processing": 1}, "it was killed before it was done"
    # Its lease ends now, instead of minutes later.
    thread.rows("update inventory_match.photo set next_attempt_at = now() returning id")

    request.getfixturevalue("workers")
    thread.until(lambda: states(thread, "killed") == {"done": 1})

    attempts = "select attempts::int from inventory_match.photo where camera = 'killed'"
    assert thread.rows(attempts) == [(2,)]
    counted = "select sku, units::int from inventory_match.stock_event where location = 'killed' order by sku"
    assert thread.rows(counted) == sorted([(d.sku, 2), (e.sku, 2)])


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("workers")
def test_uploads_become_stock_one_reorder_and_verified_webhooks(thread: Thread) -> None:
    a, b, c = PACKS[:3]
    for facings in ([a, a, b, c], [a, None, b, c], [None, None, b, c], [None, None, b, c], [a, a, b, c]):
        thread.upload("thread", *facings)
    thread.until(lambda: states(thread, "thread") == {"done": 5})
    thread.until(lambda: len(thread.inbox.posts) >= 4)
    time.sleep(1.5)  # another round of the outbox: what would be sent twice is sent by now

    levels = "select sku, units::int from inventory_match.stock_level where location = 'thread' order by sku"
    assert thread.rows(levels) == sorted([(a.sku, 2), (b.sku, 1), (c.sku, 1)])
    assert thread.rows("select sku, state, units::int, level::int from inventory_match.reorder") == [
        (a.sku, "opened", 8, 1)
    ]
    bodies = thread.inbox.verified()
    assert Counter(body["type"] for body in bodies) == {
        "reorder.opened": 1, "stock.low": 1, "stock.out": 1, "stock.recovered": 1,
    }  # fmt: skip
    assert {body["data"]["sku"] for body in bodies} == {a.sku}
    low = next(body["data"] for body in bodies if body["type"] == "stock.low")
    assert low["evidence"]["photo"]["key"].startswith("s1/thread/")
    assert {b.sku, c.sku} <= {one["sku"] for one in low["substitutes"]}, "what else stands in the store"
    assert len({headers["webhook-id"] for headers, _ in thread.inbox.posts}) == len(thread.inbox.posts)
    assert all(json.loads(body).keys() == {"type", "timestamp", "data"} for _, body in thread.inbox.posts)


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("workers")
def test_a_photo_can_be_followed_by_its_id_through_the_logs_of_all_processes(thread: Thread) -> None:
    a, b, c = PACKS[:3]
    thread.upload("thread", a, a, b, c)
    thread.upload("thread", None, None, b, c)
    newest = "select max(id) from inventory_match.photo"
    alerted = (
        f"select state from inventory_match.webhook_log where (data #>> '{{evidence,photo,id}}')::int = ({newest})"
    )
    thread.until(lambda: ("delivered",) in thread.rows(alerted))
    thread.until(lambda: any(line["event"] == "webhook posted" for line in told(thread)))

    events = [line.get("stage", line["event"]) for line in told(thread)]
    assert events[:2] == ["photo registered", "photo kicked"]
    events = [event for event in events if event != "photo kicked"]  # the sweep repeats it where its turn is late
    assert events[1:8] == ["photo taken", "fetch", "decode", "detect", "embed", "settle", "photo left"]
    assert set(events[8:]) == {"webhook posted"}
    registered, *_, posted = told(thread)
    assert registered["message_id"]
    assert registered["key"].startswith("s1/thread/")
    assert posted["message_id"].startswith("msg_")
    assert len({line["process"] for line in told(thread)}) >= 2, "the intake, and a process of the worker's pool"


def told(thread: Thread) -> list[dict[str, Any]]:
    """What the logs say of the newest photo, in order of time."""
    [[newest]] = thread.rows("select max(id) from inventory_match.photo")
    return [line for line in telling.lines(thread.logs) if line.get("photo_id") == newest]


@pytest.mark.usefixtures("workers")
def test_each_process_answers_for_itself_and_with_the_figures_of_all(thread: Thread) -> None:
    thread.until(lambda: telling.ports(thread.logs).keys() == {"worker", "intake", "beat"})
    ports = telling.ports(thread.logs)
    for role, port in ports.items():
        assert telling.get(port, "/healthz")[0] == telling.get(port, "/readyz")[0] == 200
        assert json.loads(telling.get(port, "/healthz")[1])["role"] == role
    [[rested]] = thread.rows("select count(*) from inventory_match.photo where state = 'done'")
    # Each is counted a moment after it is committed, or answered.
    posts = 'inventory_match_webhook_posts_total{outcome="delivered"}'
    settled = 'inventory_match_stage_seconds_count{stage="settle"}'
    thread.until(lambda: telling.figures(ports["worker"]).get(posts) == len(thread.inbox.posts))
    thread.until(lambda: telling.figures(ports["worker"]).get(settled) == rested)
    figures = telling.figures(ports["worker"])
    assert figures['inventory_match_photos{state="done"}'] == rested
    assert figures["inventory_match_photo_attempts_count"] == rested
    [[crops]] = thread.rows("select count(embedding) from inventory_match.sighting")
    assert figures["inventory_match_crops_embedded_total"] == crops
    assert telling.figures(ports["beat"])['inventory_match_photos{state="done"}'] == rested
    live = [sys.executable, "-m", "inventory_match", "doctor", "--live", "--url", f"http://127.0.0.1:{ports['worker']}"]
    judged = subprocess.run(live, env=thread.environment, capture_output=True, text=True, timeout=60, check=False)
    assert judged.returncode == 0, judged.stdout
    assert [line.split()[0] for line in judged.stdout.splitlines()] == ["ok"] * 11


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("workers")
def test_a_decoder_that_hangs_costs_one_attempt_and_not_its_worker(thread: Thread) -> None:
    b, c = PACKS[1:3]
    thread.upload("hung", b, b, c, c)
    thread.until(lambda: states(thread, "hung") == {"done": 1})
    [hung] = decoders_of_workers()
    process = hung.parent()
    hung.suspend()
    thread.upload("hung", b, c, c, c)
    thread.until(lambda: states(thread, "hung") == {"done": 2})

    attempts = "select attempts::int from inventory_match.photo where camera = 'hung' order by id"
    assert thread.rows(attempts) == [(1,), (2,)]
    [another] = decoders_of_workers()
    assert another.pid != hung.pid
    assert another.parent() == process, "the worker process that had the photo in hand"


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("workers")
def test_a_pool_process_killed_for_memory_leaves_its_photo_to_be_finished_once(thread: Thread) -> None:
    """SIGKILL to the one process, as the kernel sends it; the worker it belongs to lives and starts another."""
    c, d = PACKS[2:4]
    thread.upload("oom", c, c, d, d)
    thread.until(lambda: states(thread, "oom") == {"done": 1})
    [held_up] = decoders_of_workers()
    held_up.suspend()
    thread.upload("oom", c, d, d, d)
    thread.until(lambda: states(thread, "oom") == {"done": 1, "processing": 1})
    held_up.parent().kill()
    held_up.resume()
    # Its lease ends now, instead of minutes later.
    thread.rows("update inventory_match.photo set next_attempt_at = now() where state = 'processing' returning id")
    thread.until(lambda: states(thread, "oom") == {"done": 2})

    attempts = "select attempts::int from inventory_match.photo where camera = 'oom' order by id"
    assert thread.rows(attempts) == [(1,), (2,)]
    counted = "select sku, units::int from inventory_match.stock_event where location = 'oom' order by id, sku"
    assert sorted(thread.rows(counted)) == sorted([(c.sku, 2), (d.sku, 2), (c.sku, 1), (d.sku, 3)])
    thread.until(lambda: gone(held_up), 10)


def gone(process: psutil.Process) -> bool:
    """A zombie is gone too: in a container nobody may ever collect an orphan."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def decoders_of_workers() -> list[psutil.Process]:
    """Those of the pool's processes; this one has its own."""
    ours = psutil.Process()
    found = []
    for child in ours.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # servers' own processes come and go
            if child.ppid() != ours.pid and "inventory_match.vision.decoding" in child.cmdline():
                found.append(child)
    return found


def states(thread: Thread, camera: str) -> dict[str, int]:
    found = thread.rows("select camera, state, count(*)::int from inventory_match.photo group by 1, 2")
    return {state: number for owner, state, number in found if owner == camera}
