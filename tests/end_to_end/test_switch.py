"""Photos keep coming while another encoder embeds the catalog, is switched to, and is left again: real workers, real S3.

What must never be: a photo that ends otherwise than done, a region of an enrolled product without candidates, and a sighting
whose vector, candidates and thresholds are not those of one encoder.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from sqlalchemy import text

from inventory_match import catalog_file, intake, reembed, site_file
from inventory_match.apply_site import apply_site
from inventory_match.bootstrap import App, migrations
from inventory_match.db import migrate
from inventory_match.db.catalog import switching
from inventory_match.domain.matching import Thresholds
from inventory_match.embedded.machine import Machine
from inventory_match.enrol import import_catalog
from inventory_match.rendering.catalog import write_catalog
from inventory_match.rendering.designs import product
from inventory_match.rendering.studio import studio_view
from inventory_match.settings import Settings
from inventory_match.vision.assembly import assemble
from inventory_match.vision.jpeg import encode_jpeg
from inventory_match.vision.weights import EncoderRecord, read_tensors, write

ROOT = Path(__file__).parents[2]
PACKS = [product(7, index) for index in range(24)]
OPENS = datetime(2026, 3, 2, 8, tzinfo=UTC)
SITE = """
[stores.s1]
name = "Shop"

[[stores.s1.cameras]]
id = "clerk"
location = "aisle"
kind = "product"
keys = "s1/clerk/{captured_at}.jpg"

[stores.s1.locations.aisle]
name = "Aisle"
"""
FAST = {
    "photo_lease": "60", "sweep_interval": "1", "deliver_interval": "60", "rekick_after": "1", "torch_threads": "1",
    "embed_rate": "8", "encoder_runtime": "torch",
}  # fmt: skip


def tiny(folder: Path, dim: int, metric: Literal["cosine", "euclidean"]) -> EncoderRecord:
    """Random weights: what the encoders are worth is not the question here, only whose vectors meet whose."""
    drawn = assemble(folder / "drawn.safetensors", "shufflenet_v2_x0_5", weights=None, dim=dim, seed=dim)
    small = replace(drawn.preprocessing, size=64, crop=None)
    limits = Thresholds(0.6, 0.02) if metric == "cosine" else Thresholds(0.5, 0.01)
    record = replace(drawn, name=f"tiny-{dim}", metric=metric, preprocessing=small, thresholds=limits)
    return write(folder / f"tiny-{dim}.safetensors", record, read_tensors(drawn))


@contextmanager
def background(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """A thread that is told to stop at the end of the block."""
    stopping = threading.Event()
    thread = threading.Thread(target=work, args=(stopping,))
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


@contextmanager
def process(environment: dict[str, str], *command: str) -> Iterator[subprocess.Popen[bytes]]:
    argv = [sys.executable, "-m", "inventory_match", *command]
    with subprocess.Popen(argv, cwd=ROOT, env=environment, start_new_session=True) as running:
        try:
            yield running
        finally:
            os.killpg(running.pid, signal.SIGKILL)


def photograph(app: App, uploaded: list[str], stopping: threading.Event) -> None:
    """A clerk who photographs one product after the other, up to six a second, and waits while eight are not looked at."""
    pictures = [encode_jpeg(np.asarray(studio_view(pack, np.random.default_rng(1), plain=True))) for pack in PACKS]
    for number, picture in enumerate(itertools.cycle(pictures)):
        while stopping.wait(1 / 6) or len(rows(app, UNFINISHED)) >= 8:
            if stopping.is_set():
                return
        key = f"s1/clerk/{OPENS + timedelta(seconds=number):%Y%m%dT%H%M%S}.jpg"
        app.store.put(app.settings.bucket, key, picture)
        uploaded.append(key)


def rows(app: App, sql: str) -> list[tuple[Any, ...]]:
    with app.unit_of_work() as session:
        return [tuple(row) for row in session.execute(text(sql))]


def until(app: App, true: Callable[[], bool], seconds: float = 180) -> None:
    ends = time.monotonic() + seconds
    while not true():
        states = rows(app, "select state, cause, count(*) from inventory_match.photo group by 1, 2")
        builds = rows(app, "select encoder, state, done, total, failed from inventory_match.encoder_builds")
        assert time.monotonic() < ends, f"not within {seconds} s; photos: {states}; encoders: {builds}"
        time.sleep(0.1)


def seen_by(app: App, encoder: str, after: str = "-infinity") -> int:
    sql = (
        "select count(*) from inventory_match.photo p join inventory_match.encoder e on e.id = p.encoder_id"
        f" where p.state = 'done' and e.name = '{encoder}' and p.registered_at > '{after}'"
    )
    return int(rows(app, sql)[0][0])


def kill_a_worker_process(running: subprocess.Popen[bytes]) -> None:
    """-9, to the process that embeds; the one above it starts another."""
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text(encoding="ascii").split()
    os.kill(int(children[-1]), signal.SIGKILL)


UNFINISHED = "select id from inventory_match.photo where finished_at is null"
FINISHED = "select count(*)::int from inventory_match.photo where finished_at is not null"
WRONG = """
    select s.id, e.name, s.candidates, found.similarity from inventory_match.sighting s
    join inventory_match.photo p on p.id = s.photo_id
    left join inventory_match.encoder e on e.id = s.encoder_id
    left join lateral (
        select r.sku, case e.metric when 'cosine' then 1 - (r.embedding <=> s.embedding)
                                    else 1 / (1 + (r.embedding <-> s.embedding)) end as similarity
        from inventory_match.reference_embedding r where r.encoder_id = s.encoder_id
        order by similarity desc limit 1
    ) found on true
    where s.encoder_id is distinct from p.encoder_id
       or jsonb_array_length(s.candidates) = 0
       or vector_dims(s.embedding) is distinct from e.dim
       or s.thresholds is distinct from e.thresholds
       or abs((s.candidates -> 0 ->> 'similarity')::float8 - found.similarity) > 0.002
"""
"""Sightings without candidates, or not of one encoder. Its best reference, asked anew, must be the one that was found."""


@pytest.mark.timeout(600)
def test_a_build_a_switch_and_a_rollback_under_way_cost_no_photo_and_no_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tiny(tmp_path, 32, "cosine"), tiny(tmp_path, 48, "euclidean")
    with ExitStack() as held:
        machine = held.enter_context(Machine())
        prefix = "INVENTORY_MATCH_"
        chosen = FAST | {"encoder_cache": str(tmp_path / "cache"), "queue_wait": "1"}
        ours = machine.environment() | {f"{prefix}{name.upper()}": value for name, value in chosen.items()}
        values = {name.removeprefix(prefix).lower(): value for name, value in ours.items()}
        app = App(Settings.model_validate(values | {"encoder_file": old.path}))
        migrate.upgrade(app.engine, migrations())
        held.callback(app.engine.dispose)
        apply_site(app.unit_of_work, app.kicker, site_file.parse(SITE, "site.toml"), datetime.now(UTC))
        products = write_catalog(tmp_path, PACKS, references=1)
        assert import_catalog(app.studio, app.unit_of_work, catalog_file.read(products), strict=True).bad == []
        app.encoder_files.keep_active(app.unit_of_work)

        # The workers know neither encoder: their settings name the shipped one.
        clean = {name: value for name, value in os.environ.items() if not name.startswith(prefix)} | ours
        worker = held.enter_context(process(clean, "worker", "--concurrency", "1"))
        held.enter_context(process(clean, "beat"))
        parts = app.queue, app.unit_of_work, app.kicker, app.settings.buckets
        held.enter_context(background(lambda stopping: intake.consume(*parts, stopping)))
        uploaded: list[str] = []
        with background(lambda stopping: photograph(app, uploaded, stopping)):
            until(app, lambda: seen_by(app, old.name) >= 3)

            encoder = reembed.begin(app.workshop, app.unit_of_work, new)
            app.kicker.kick_embedding(encoder.id)
            done = "select done from inventory_match.encoder_builds where encoder = 'tiny-48'"
            until(app, lambda: rows(app, done)[0][0] >= 1)
            kill_a_worker_process(worker)
            # The lease of a photo it had in hand ends now, instead of a minute later.
            rows(
                app, "update inventory_match.photo set next_attempt_at = now() where state = 'processing' returning id"
            )
            until(app, lambda: rows(app, "select 1 from inventory_match.encoder where state = 'ready'") != [])
            assert seen_by(app, new.name) == 0

            took = [timed(app, lambda session: switching.activate(session, encoder))]
            until(app, lambda: seen_by(app, new.name) >= 8)
            took.append(timed(app, lambda session: switching.activate(session, switching.previous(session))))
            now = str(rows(app, "select now()")[0][0])
            until(app, lambda: seen_by(app, old.name, after=now) >= 5)
        until(app, lambda: rows(app, FINISHED) == [(len(uploaded),)])

        photos = rows(app, "select state, count(*)::int from inventory_match.photo group by 1")
        with capsys.disabled():
            print(f"\n{photos}, {seen_by(app, new.name)} by {new.name}; activate, rollback: {took}")  # noqa: T201 - measured
        assert [state for state, _ in photos] == ["done"]
        assert rows(app, "select cause from inventory_match.photo where cause is not null") == []
        assert rows(app, WRONG) == []


def timed(app: App, change: Callable[[Any], object]) -> str:
    """How long the transaction took."""
    begun = time.perf_counter()
    with app.unit_of_work() as session:
        change(session)
    return f"{(time.perf_counter() - begun) * 1000:.0f} ms"
