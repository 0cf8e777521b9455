"""Postgres stopped at once, as by a crash, in the middle of a transaction, and started again: nothing is half written."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from inventory_match import delivery, intake
from inventory_match.db import outbox
from inventory_match.delivery import Delivered
from inventory_match.domain.errors import ServiceUnavailable
from inventory_match.domain.events import EventType
from inventory_match.domain.photos import PhotoState
from inventory_match.embedded.machine import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Machine
from inventory_match.s3.clients import sqs_client
from inventory_match.s3.queue import SqsQueue
from inventory_match.webhooks.receiver import Received, WebhookReceiver
from inventory_match.webhooks.sender import WebhookSender
from inventory_match.webhooks.signing import new_secret

from .conftest import LOCKED, Shop, patiently

WRITTEN = (
    "select (select count(*) from inventory_match.sighting), (select count(*) from inventory_match.stock_event),"
    " (select count(*) from inventory_match.reorder), (select count(*) from inventory_match.message)"
)


@contextmanager
def in_the_way(shop: Shop, sql: str) -> Iterator[None]:
    """Holds a lock until the server dies: whoever needs it is caught in the middle of what it does."""
    connection = shop.app.engine.connect()
    connection.execute(text(sql))
    try:
        yield
    finally:
        connection.invalidate()
        connection.close()


def test_a_photo_being_settled_is_settled_once_by_the_next_who_comes(fragile: Shop, breakable: Machine) -> None:
    """Its sightings and counts are written, its reorder is not yet: it waits for the store's row."""
    photo_id = fragile.draw("A", "B", ".", ".", minute=0)
    with ThreadPoolExecutor(1) as pool:
        with in_the_way(fragile, "select from inventory_match.store for update"):
            settling = pool.submit(fragile.process, photo_id, store=fragile.drawings)
            patiently(lambda: fragile.one(LOCKED) == 1)
            breakable.restart("postgres", at_once=True)
        with pytest.raises(ServiceUnavailable, match="database: "):
            settling.result()
    assert fragile.rows(WRITTEN) == [(0, 0, 0, 0)]
    assert fragile.rows("select state, attempts::int from inventory_match.photo") == [("processing", 1)]

    fragile.rows("update inventory_match.photo set next_attempt_at = now() returning id")  # its lease ends
    assert fragile.process(photo_id, store=fragile.drawings) is PhotoState.DONE
    assert fragile.process(photo_id, store=fragile.drawings) is None
    assert fragile.levels() == {"A": 1, "B": 1}
    assert sorted(fragile.told()) == [
        ("reorder.opened", "A"), ("reorder.opened", "B"), ("stock.low", "A"), ("stock.low", "B"),
    ]  # fmt: skip


def test_the_intake_rides_it_out_and_registers_each_photo_once(fragile: Shop, breakable: Machine) -> None:
    """It is stopped while it registers; the message comes again once its visibility ends."""
    stopping, queue = threading.Event(), quick_queue(breakable)
    parts = queue, fragile.app.unit_of_work, fragile.kicks, fragile.app.settings.buckets, stopping
    reading = threading.Thread(target=intake.consume, args=parts)
    reading.start()
    try:
        with in_the_way(fragile, "lock inventory_match.photo in exclusive mode"):
            fragile.upload("A", "A", "A", "A", minute=0)
            patiently(lambda: fragile.one(LOCKED) == 1)
            breakable.restart("postgres", at_once=True)
        fragile.upload("A", "A", "A", "A", minute=1)
        patiently(lambda: fragile.one("select count(*) from inventory_match.photo") == 2)
        patiently(lambda: queue.depth() == 0)
    finally:
        stopping.set()
        reading.join()
    assert fragile.one("select count(*) from inventory_match.photo") == 2
    assert len(fragile.kicks.photos) == 2


def quick_queue(machine: Machine) -> SqsQueue:
    """What was not deleted comes again after a second, instead of a minute."""
    client = sqs_client(machine.s3_endpoint, machine.region, ACCESS_KEY_ID, SECRET_ACCESS_KEY)
    return SqsQueue(client, machine.queue_url, wait_seconds=0, visibility=1)


def test_a_delivery_whose_answer_could_not_be_written_goes_out_again_under_its_id(
    fragile: Shop, breakable: Machine
) -> None:
    got, held = list[Received](), ExitStack()

    def take(received: Received) -> None:
        got.append(received)
        if len(got) == 1:
            held.enter_context(in_the_way(fragile, "select from inventory_match.delivery for update"))

    secret = new_secret(bytes(32))
    with WebhookReceiver([secret], take) as listening:
        with fragile.app.unit_of_work() as session:
            outbox.add_endpoint(session, listening.url, secret, [])
            message = outbox.emit(session, EventType.STOCK_LOW, {"sku": "A"}, datetime.now(UTC))
        with ThreadPoolExecutor(1) as pool, held:
            delivering = pool.submit(deliver, fragile)
            patiently(lambda: fragile.one(LOCKED) == 1)
            breakable.restart("postgres", at_once=True)
        with pytest.raises(ServiceUnavailable, match="database: "):
            delivering.result()
        patiently(lambda: deliver(fragile) == Delivered(sent=1))
    assert [(one.message_id, one.verified) for one in got] == [(message, True)] * 2
    assert fragile.rows("select state, attempts::int from inventory_match.delivery") == [("delivered", 2)]


def deliver(shop: Shop) -> Delivered:
    """A round of deliveries, each claimed for a second."""
    sender, waits, lease = WebhookSender(5.0, ["127.0.0.1"]), [timedelta(0)], timedelta(seconds=1)
    return delivery.deliver_due(shop.app.unit_of_work, sender, waits, lease, lambda: datetime.now(UTC))
