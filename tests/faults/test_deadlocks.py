"""Two photos of one shelf at the same instant, and two shelves that share their products, while others move the same stock.

`FAULT_ROUNDS=1000 python -m pytest -s tests/faults/test_deadlocks.py` is the long run; it prints its figures.
"""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from inventory_match import bookkeeping, chores, intake, pipeline
from inventory_match.bookkeeping import Entry
from inventory_match.db import photos
from inventory_match.domain.ledger import Kind
from inventory_match.domain.photos import ObjectRef, PhotoState, PhotoUploaded
from inventory_match.pipeline import Seen
from inventory_match.s3.queue import Message
from tests.integration.pipeline.conftest import Kicks

from .conftest import Shop

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "40"))
"""In each two photos are settled at the same instant: by turns of one shelf, and of two that share their products."""
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
DEADLOCKS = "select deadlocks from pg_stat_database where datname = current_database()"


def looks(shop: Shop, *shelves: tuple[str, str]) -> list[Seen]:
    """Photos of these (camera, places), in turns, each claimed and seen and not yet settled."""
    made = []
    for camera, places in shelves:
        minutes = (turn / 60 for turn in range(ROUNDS // 2))
        ids = shop.draw_each(*places, minutes=minutes, camera=camera)
        with shop.app.unit_of_work() as session:
            claimed = [photos.claim(session, photo_id, timedelta(hours=1), 3) for photo_id in ids]
        assert claimed[0] is not None
        seen = pipeline.see(claimed[0], replace(shop.eyes, store=shop.drawings))
        made.append([replace(seen, photo=one, captured=one.captured) for one in claimed if one is not None])
    return [one for turn in zip(*made, strict=True) for one in turn]


def test_the_same_photos_told_in_opposite_orders_never_lock_each_other(shop: Shop) -> None:
    """By two intakes and a scan at once: each transaction registers many photos, and all in the order of their names."""
    told = datetime(2026, 3, 2, 8, tzinfo=UTC)
    gate, batches = Barrier(3), []
    for number in range(max(ROUNDS // 4, 5)):
        keys = [f"{shop.prefix}/cam/{number:04d}-{photo:03d}.jpg" for photo in range(40)]
        batches.append([PhotoUploaded(ObjectRef(shop.app.settings.bucket, key, None, "e"), told) for key in keys])

    def intake_of(order: int) -> list[int]:
        taken = []
        for batch in batches:
            gate.wait(timeout=60)
            bodies = [message(one.ref, told) for one in batch[::order]]
            messages = [Message(f"{order}-{place:03d}", body, "", 1) for place, body in enumerate(bodies)]
            buckets = shop.app.settings.buckets
            taken += intake.take_messages(messages, shop.app.unit_of_work, Kicks(), buckets).unrouted
        return taken

    def scan() -> list[int]:
        taken = []
        for batch in batches:
            gate.wait(timeout=60)
            listed = [*batch[20:], *batch[:20]]
            taken += intake.scan(listed, shop.app.unit_of_work, Kicks(), lambda _: None).unrouted
        return taken

    with ThreadPoolExecutor(3) as pool:
        works = pool.submit(intake_of, 1), pool.submit(intake_of, -1), pool.submit(scan)
        registered = [photo_id for work in works for photo_id in work.result()]
    assert sorted(registered) == sorted(set(registered)), "each was new to one of them"
    assert len(registered) == shop.one("select count(*) from inventory_match.photo") == 40 * len(batches)


def message(ref: ObjectRef, at: datetime) -> str:
    """What S3 tells of one upload."""
    told = {"bucket": {"name": ref.bucket}, "object": {"key": ref.key, "size": 9, "eTag": ref.etag}}
    record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": at.isoformat(), "s3": told}
    return json.dumps({"Records": [record | {"eventVersion": "2.1"}]})


@pytest.mark.timeout(1800)
def test_photos_settled_at_the_same_instant_never_lock_each_other(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """Row locks are taken in one order by all: the location, the watches by sku, the store."""
    shop.camera("other", 4)
    here = looks(shop, ("cam", "ABCD"), ("cam", "ABC."))
    there = looks(shop, ("cam", "DCBA"), ("other", "DCB."))
    gate = Barrier(3)

    def settle(seen: list[Seen]) -> set[PhotoState | None]:
        ended = set()
        for one in seen:
            gate.wait(timeout=60)
            with shop.app.unit_of_work() as session:
                ended.add(pipeline.settle(session, one, shop.rules, NOW))
        return ended

    def clerk() -> None:
        """Books arrivals of what is on both shelves, and does the chores that judge what moved."""
        for turn in range(ROUNDS):
            gate.wait(timeout=60)
            with shop.app.unit_of_work() as session:
                bookkeeping.move(session, "s1", "cam", "ABCD"[turn % 4], Kind.RECEIVED, 1, Entry(f"{turn}", "ann"), NOW)
            chores.judge_moved(shop.app.unit_of_work, NOW)

    begun = time.perf_counter()
    with ThreadPoolExecutor(3) as pool:
        works = pool.submit(settle, here), pool.submit(settle, there), pool.submit(clerk)
        # A deadlock would be raised here too, as ServiceUnavailable.
        ended = [work.result() for work in works]
    seconds = time.perf_counter() - begun
    time.sleep(1.1)  # a session tells its statistics once a second
    deadlocks = shop.one(DEADLOCKS)
    with capsys.disabled():
        print(f"\nrounds {ROUNDS}, photos {2 * ROUNDS}, deadlocks {deadlocks}, seconds {seconds:.1f}")  # noqa: T201 - measured
    assert deadlocks == 0
    assert ended[:2] == [{PhotoState.DONE}] * 2
    assert shop.one("select count(*) from inventory_match.photo where state = 'done'") == 2 * ROUNDS
    assert shop.one("select count(*) from inventory_match.stock_event where kind = 'received'") == ROUNDS
