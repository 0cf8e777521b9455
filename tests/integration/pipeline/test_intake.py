"""From the queue to registered photos: nothing is lost, nothing is doubled, and no message stops the ones behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any

import boto3
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from inventory_match import intake
from inventory_match.db import site
from inventory_match.domain.errors import PhotoSuperseded, ServiceUnavailable
from inventory_match.domain.photos import ObjectRef, PhotoState, PhotoUploaded
from inventory_match.s3.queue import Message

from .conftest import Shop, shelf_photo

RECORDED = Path(__file__).parents[2] / "unit" / "s3" / "envelopes"


def send(shop: Shop, body: str) -> None:
    """Puts a message into the real queue, as AWS or anybody else would."""
    settings = shop.app.settings
    assert settings.aws_access_key_id is not None
    assert settings.aws_secret_access_key is not None
    client = boto3.client(
        "sqs",
        endpoint_url=settings.sqs_endpoint,
        region_name=settings.aws_region,
        aws_access_key_id=settings.aws_access_key_id.get_secret_value(),
        aws_secret_access_key=settings.aws_secret_access_key.get_secret_value(),
    )
    client.send_message(QueueUrl=settings.queue_url, MessageBody=body)


def record(shop: Shop, key: str, *, name: str = "ObjectCreated:Put", bucket: str | None = None, **more: Any) -> str:
    event = {
        "eventName": name,
        "eventTime": "2026-03-02T09:00:00.000Z",
        "s3": {
            "bucket": {"name": bucket or shop.app.settings.bucket},
            "object": {"key": key, "size": 1, "eTag": "e1"} | more,
        },
    }
    return json.dumps({"Records": [event]})


def rejected(shop: Shop) -> list[tuple[Any, ...]]:
    return shop.rows("select body, cause from inventory_match.rejected_message order by id")


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("hello", "not JSON"),
        ('{"id": 1, "task": "celery"}', "no known envelope: its keys are"),
        ('{"Records": []}', "Records is not a list"),
    ],
)
def test_a_message_nobody_can_read_is_kept_and_then_deleted(shop: Shop, body: str, cause: str) -> None:
    send(shop, body)

    assert shop.take().rejected == 1
    [(kept, why)] = rejected(shop)
    assert (kept, cause in why) == (body, True)
    assert shop.queue.receive() == []


def test_a_message_of_a_thousand_broken_records_is_kept_too(shop: Shop) -> None:
    """Its cause names them all, and is part of an index whose rows are limited."""
    broken = [{"eventName": "ObjectCreated:Put", "s3": {"n": i}} for i in range(1000)]
    send(shop, json.dumps({"Records": broken}))
    shop.upload("A", "A", "A", "A", minute=0)

    taken = shop.take()
    assert (taken.rejected, len(taken.registered)) == (1, 1)


def test_what_postgres_cannot_hold_is_kept_as_its_escape(shop: Shop) -> None:
    messages = [Message("m1", "\x00 \ud800 {", "r", 1)]

    taken = intake.take_messages(messages, shop.app.unit_of_work, shop.kicks, shop.app.settings.buckets)
    assert taken.rejected == 1
    assert rejected(shop)[0][0] == "\\u0000 \\ud800 {"


def test_readable_records_are_taken_beside_broken_ones(shop: Shop) -> None:
    good = json.loads(record(shop, f"{shop.prefix}/cam/20260302T080000.png"))["Records"]
    send(shop, json.dumps({"Records": [*good, {"eventName": "ObjectCreated:Put"}]}))

    taken = shop.take()
    assert (len(taken.registered), taken.rejected) == (1, 1)


def test_an_event_of_a_foreign_bucket_is_kept_as_rejected(shop: Shop) -> None:
    send(shop, record(shop, f"{shop.prefix}/cam/20260302T080000.png", bucket="someone-elses"))

    assert shop.take().rejected == 1
    assert rejected(shop)[0][1] == "bucket 'someone-elses' is not one of ours"
    assert shop.one("select count(*) from inventory_match.photo") == 0


def test_reference_photos_of_the_catalog_are_no_uploads(shop: Shop) -> None:
    send(shop, record(shop, "catalog/0123.jpg"))

    assert shop.take() == intake.Taken()


def test_a_delete_is_recorded_once_and_is_no_photo(shop: Shop) -> None:
    for _ in range(2):
        send(shop, record(shop, f"{shop.prefix}/cam/x.png", name="ObjectRemoved:Delete"))

    assert shop.take().removed == 2
    assert shop.one("select count(*) from inventory_match.object_removal") == 1
    assert shop.one("select count(*) from inventory_match.photo") == 0


def test_every_recorded_envelope_passes_through_the_real_queue(shop: Shop) -> None:
    """Whatever it says, it ends in a row or as an event that is none of ours, and leaves the queue."""
    envelopes = sorted(RECORDED.glob("*.json"))
    for envelope in envelopes:
        send(shop, envelope.read_text(encoding="utf-8"))

    taken = shop.take()
    assert shop.queue.receive() == []
    assert len(taken.unrouted) >= 10, "no camera here claims their keys"
    assert taken.removed >= 5
    for table, number in (("photo", len(taken.unrouted)), ("rejected_message", taken.rejected)):
        assert shop.one(f"select count(*) from inventory_match.{table}") == number


def test_an_event_and_a_scan_name_a_photo_alike(shop: Shop) -> None:
    shop.upload("A", "A", "A", "A", minute=0, suffix=" höchst+seltsam 100%.png")
    assert len(shop.take().registered) == 1

    listed = shop.app.store.list_objects(shop.app.settings.bucket, shop.prefix)
    scanned = intake.scan(listed, shop.app.unit_of_work, shop.kicks, lambda _: None)
    assert (scanned.known, scanned.registered) == (1, [])
    assert [shop.process(photo_id) for photo_id in shop.kicks.photos] == [PhotoState.DONE]


def test_a_scan_finds_what_no_event_announced(shop: Shop) -> None:
    for minute in range(3):
        shop.upload("A", "A", "A", "A", minute=minute)
    while messages := shop.queue.receive():  # the events are lost
        shop.queue.delete(messages)

    steps: list[int] = []
    listed = shop.app.store.list_objects(shop.app.settings.bucket, shop.prefix)
    scanned = intake.scan(listed, shop.app.unit_of_work, shop.kicks, steps.append, batch=2)
    assert len(scanned.registered) == 3
    assert (sum(steps), shop.kicks.photos) == (3, scanned.registered)
    assert shop.rows("select distinct source from inventory_match.photo") == [("scan",)]


def test_a_scan_whose_figure_cannot_be_written_has_registered_all_the_same(shop: Shop) -> None:
    for minute in range(3):
        shop.upload("A", "A", "A", "A", minute=minute)
    listed = list(shop.app.store.list_objects(shop.app.settings.bucket, shop.prefix))
    with shop.app.unit_of_work() as session:
        session.execute(text("drop table inventory_match.chore cascade"))

    with pytest.raises(ProgrammingError, match="chore"):
        intake.scan(listed, shop.app.unit_of_work, shop.kicks, lambda _: None, batch=2)
    assert len(shop.kicks.photos) == shop.one("select count(*) from inventory_match.photo") == 3


def test_a_scan_that_breaks_off_leaves_the_figure_of_what_it_found(shop: Shop) -> None:
    def breaks_off() -> Iterator[PhotoUploaded]:
        yield from shop.app.store.list_objects(shop.app.settings.bucket, shop.prefix)
        raise ServiceUnavailable("the listing ends here")

    for minute in range(3):
        shop.upload("A", "A", "A", "A", minute=minute)
    with pytest.raises(ServiceUnavailable):
        intake.scan(breaks_off(), shop.app.unit_of_work, shop.kicks, lambda _: None, batch=2)
    assert shop.one("select figures from inventory_match.chore where chore = 'scan'") == {"found": 2, "back": 0}


class ForgetfulStore:
    """Satisfies `ports.PhotoStore`: an object store that answers 404 for what it has."""

    def fetch(self, ref: ObjectRef) -> bytes:
        raise PhotoSuperseded(f"s3://{ref.bucket}/{ref.key} no longer holds {ref.version}")


def test_a_scan_gives_back_what_was_said_to_be_gone_and_is_there(shop: Shop) -> None:
    shop.upload("A", "A", "A", "A", minute=0)
    replaced = shop.upload("A", "A", "A", "A", minute=1)
    shop.camera("later", 4)
    shop.upload("A", "A", "A", "A", minute=2, camera="later")
    lied_to, overwritten, homeless = shop.take().registered
    for photo_id in (lied_to, overwritten, homeless):
        assert shop.process(photo_id, store=ForgetfulStore()) is PhotoState.SUPERSEDED
    shop.app.store.put(replaced.bucket, replaced.key, shelf_photo("B", "B", "B", "B"), "image/png")
    with shop.app.unit_of_work() as session:
        session.execute(text("update inventory_match.photo set camera = null where id = :id"), {"id": homeless})
    shop.kicks.photos.clear()

    listed = list(shop.app.store.list_objects(shop.app.settings.bucket, shop.prefix))
    scanned = intake.scan(listed, shop.app.unit_of_work, shop.kicks, lambda _: None)
    [new] = scanned.registered
    assert (scanned.back, scanned.known) == ([lied_to, homeless], 0)
    assert shop.kicks.photos == [new, lied_to, homeless]
    assert [shop.process(photo_id) for photo_id in (lied_to, overwritten, homeless)] == [PhotoState.DONE, None, None]
    assert shop.one("select state from inventory_match.photo where id = :id", id=homeless) == "unrouted"
    again = intake.scan(listed, shop.app.unit_of_work, shop.kicks, lambda _: None)
    assert (again.back, again.known) == ([], 3)


def test_a_photo_nobody_claims_waits_until_the_site_gives_it_a_camera(shop: Shop) -> None:
    shop.upload("A", "A", "B", "B", minute=0, camera="new")
    taken = shop.take()
    assert (taken.registered, len(taken.unrouted), shop.kicks.photos) == ([], 1, [])
    assert shop.process(taken.unrouted[0]) is None

    shop.camera("new", 4)
    with shop.app.unit_of_work() as session:
        rerouted = site.reroute_unrouted(session, datetime.now(UTC))
    assert rerouted == taken.unrouted
    assert shop.process(taken.unrouted[0]) is PhotoState.DONE
    assert shop.levels() == {"A": 2, "B": 2}


def test_intake_waits_out_an_outage_and_loses_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue's server is away for the first call, and the delete of the first batch fails: the batch comes again."""
    monkeypatch.setattr(intake, "PAUSE_S", 0.01)
    shop.upload("A", "A", "A", "A", minute=0)
    stopping, real = Event(), shop.queue

    class Flaky:
        calls = 0

        def receive(self) -> list[Message]:
            self.calls += 1
            if self.calls == 1:
                raise ServiceUnavailable("receiving: the server is away")
            if self.calls == 4:
                stopping.set()
            return self.kept if self.calls == 3 else real.receive()

        def delete(self, messages: list[Message]) -> None:
            self.kept = messages
            if self.calls == 2:
                raise ServiceUnavailable("deleting: the queue kept 1 message")
            real.delete(messages)

    flaky = Flaky()
    thread = Thread(
        target=intake.consume,
        args=(flaky, shop.app.unit_of_work, shop.kicks, shop.app.settings.buckets, stopping),
    )
    thread.start()
    thread.join(timeout=20)

    assert not thread.is_alive()
    assert shop.one("select count(*) from inventory_match.photo") == 1
    assert len(shop.kicks.photos) == 1
    assert shop.queue.receive() == []
