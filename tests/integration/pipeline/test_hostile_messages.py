"""What a message or a key may hold: whatever it is, it harms neither the messages beside it nor whoever reads of it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from structlog.testing import capture_logs

from inventory_match import intake
from inventory_match.cli import main
from inventory_match.domain.photos import ObjectRef, PhotoState
from inventory_match.s3.events import MAX_BODY_BYTES
from inventory_match.s3.queue import Message

from .conftest import Shop, shelf_photo

KEYS = [
    "../../etc/passwd",
    "a/./b//c/../d.jpg",
    "'; drop table inventory_match.photo; --",
    "%s %(key)s {0} {key} ${HOME} `id`",
    "line\n2026-01-01T00:00:00Z [info     ] photo left   state=done",
    "\x1b[2J\x1b]0;owned\x07\x9b31m\r\x08\x7f",
    "gpj.\u202egnp.exe\u2028\u200b\ufeff",
    "😀👩‍👩‍👧‍👦棚ß" + "é" * 400,
    "k" * 1024,  # and cut to the 1,024 bytes a key may have
    " leading and trailing ",
    "[bold red]markup[/]",
]


@dataclass
class Given:
    """Satisfies what `consume` asks of a queue: hands out these batches, then asks for the end."""

    batches: list[list[Message]]
    stopping: Event
    deleted: list[str] = field(default_factory=list)

    def receive(self) -> list[Message]:
        if len(self.batches) == 1:
            self.stopping.set()
        return self.batches.pop(0)

    def delete(self, messages: list[Message]) -> None:
        self.deleted += [message.id for message in messages]


def record(shop: Shop, key: str, at: str = "2026-03-02T09:00:00Z") -> dict[str, Any]:
    stored = {"key": key, "eTag": "e1", "size": 1}
    named = {"bucket": {"name": shop.app.settings.bucket}, "object": stored}
    return {"eventName": "ObjectCreated:Put", "eventSource": "ceph:s3", "eventTime": at, "s3": named}


def message(name: str, *records: object, delivery: int = 1) -> Message:
    return Message(name, json.dumps({"Records": records}), "receipt", delivery)


def take(shop: Shop, *messages: Message) -> intake.Taken:
    return intake.take_messages(messages, shop.app.unit_of_work, shop.kicks, shop.app.settings.buckets)


def consume(shop: Shop, *batches: list[Message]) -> list[str]:
    """The ids of the messages that were deleted."""
    stopping = Event()
    queue = Given(list(batches), stopping)
    with capture_logs() as logged:
        intake.consume(queue, shop.app.unit_of_work, shop.kicks, shop.app.settings.buckets, stopping)  # type: ignore[arg-type]
    assert {one["message_id"] for one in logged if one["event"] == "a message failed"}, "nothing is swallowed"
    return queue.deleted


@pytest.fixture
def poisoned(shop: Shop) -> Shop:
    """A database that fails, as only a fault of ours would make it, at photos whose key says so."""
    with shop.app.engine.begin() as owner:
        owner.execute(
            text(
                "create function public.fail() returns trigger language plpgsql as"
                " $$ begin raise exception 'a fault nobody foresaw' using errcode = 'data_exception'; end $$;"
                "create trigger fail before insert on inventory_match.photo for each row when (new.key like '%poison%')"
                " execute function public.fail()"
            )
        )
    return shop


def test_a_message_that_fails_unforeseen_holds_up_none_of_the_nine_beside_it(poisoned: Shop) -> None:
    shop = poisoned
    batch = [message(f"m{i}", record(shop, f"{shop.prefix}/cam/{'poison' if i == 4 else i}")) for i in range(10)]
    assert consume(shop, batch) == [one.id for one in batch if one.id != "m4"]
    assert shop.one("select count(*) from inventory_match.photo") == 9
    assert shop.one("select count(*) from inventory_match.rejected_message") == 0, "its trouble may pass"


def test_such_a_message_is_kept_as_rejected_after_a_few_deliveries(poisoned: Shop) -> None:
    shop, key = poisoned, f"{poisoned.prefix}/cam/poison"
    times = [[message("m", record(shop, key), delivery=n)] for n in range(1, intake.DELIVERIES + 1)]
    assert consume(shop, *times) == ["m"]
    [(body, cause)] = shop.rows("select body, cause from inventory_match.rejected_message")
    assert json.loads(body)["Records"][0]["s3"]["object"]["key"] == key
    assert cause.startswith("DataError: ")
    assert "a fault nobody foresaw" in cause


def test_a_good_record_among_a_thousand_broken_ones_costs_one_row(shop: Shop) -> None:
    """Each would otherwise store the whole body again: a mebibyte a record."""
    broken = [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": f"b{i}"}}} for i in range(998)]
    foreign = record(shop, "k") | {"s3": {"bucket": {"name": "someone-elses"}, "object": {"key": "k", "eTag": "e"}}}
    taken = take(shop, message("m", record(shop, f"{shop.prefix}/cam/good"), foreign, *broken))
    assert (len(taken.unrouted) + len(taken.registered), taken.rejected) == (1, 1)
    assert shop.one("select count(*) from inventory_match.rejected_message") == 1


@pytest.mark.parametrize("least", ["{}", "[]", '{"eventName":"x"}'])
def test_a_mebibyte_of_the_smallest_records_is_refused_at_once(shop: Shop, least: str) -> None:
    number = (MAX_BODY_BYTES - 20) // (len(least) + 1)
    body = f'{{"Records":[{",".join([least] * number)}]}}'
    started = time.thread_time()
    assert take(shop, Message("m", body, "r", 1)).rejected == 1
    assert time.thread_time() - started < 2
    [(cause,)] = shop.rows("select cause from inventory_match.rejected_message")
    assert cause == f"{number} records in one message are over the limit of 1000"


def test_an_upload_told_before_it_happens_does_not_freeze_its_shelf(shop: Shop) -> None:
    take(shop, message("m", record(shop, f"{shop.prefix}/cam/20990101T000000", at="2099-01-01T00:00:00Z")))
    [(event, captured)] = shop.rows("select event_time, captured_at from inventory_match.photo")
    assert event <= datetime.now(UTC)
    assert captured == event


def test_whatever_a_key_holds_it_is_kept_as_it_is_and_shown_as_plain_text(shop: Shop) -> None:
    """Through the queue's message, the bucket, the database, and every command that shows it."""
    bucket, picture = shop.app.settings.bucket, shelf_photo("A", "A", "A", "A")
    keys = [f"{shop.prefix}/cam/20260302T090000{n:02d}{key}"[:1024] for n, key in enumerate(KEYS)]
    shop.camera("odd", 4, key_pattern=f"{shop.prefix}/cam/{{captured_at}}{{rest}}")
    held = [key for key in keys if "\n" not in key]  # which the stand-in for S3 has no address for
    etags = {key: shop.app.store.put(bucket, key, picture, "image/png").etag for key in held}
    listed = shop.app.store.list_objects(bucket, f"{shop.prefix}/cam/")
    assert {one.ref.key: one.ref.etag for one in listed} == etags
    told = [record(shop, key) for key in keys]
    for one, key in zip(told, keys, strict=True):
        one["s3"]["object"]["eTag"] = etags.get(key, "e1")
    taken = take(shop, message("m1", *told), Message("m\x1b[31m", "\x1b[2J no JSON \u202e\nid 7: forged", "r", 1))
    assert [row[0] for row in shop.rows("select key from inventory_match.photo order by id")] == keys
    ends = [shop.process(photo) for photo in taken.registered]
    assert ends == [PhotoState.DONE if key in etags else PhotoState.SUPERSEDED for key in keys]

    commands = [["photos", "list"], ["photos", "rejected-messages"], ["photos", "rejected-messages", "--full"]]
    for command in [*commands, *(["photos", "show", str(photo)] for photo in taken.registered[:8])]:
        shown = CliRunner().invoke(main, command, env=environment(shop))
        assert shown.exit_code == 0, shown.output
        assert all(line.isprintable() for line in shown.output.split("\n")), ascii(shown.output)
        assert not any(line.startswith(("2026-01-01", "id 7")) for line in shown.output.split("\n"))
    assert (
        r"\x1b[2J\x1b]0;owned\x07\x9b31m\r\x08\x7f"
        in CliRunner().invoke(main, commands[0], env=environment(shop)).output
    )


def environment(shop: Shop) -> dict[str, str]:
    url = shop.app.settings.database_url.get_secret_value()
    return {"INVENTORY_MATCH_DATABASE_URL": url, "COLUMNS": "2000"}


def test_the_fetch_of_such_a_key_asks_for_that_very_object(shop: Shop) -> None:
    """`a/../b` is a key of its own: nobody on the way may tidy it up."""
    bucket = shop.app.settings.bucket
    for key, data in ((f"{shop.prefix}/x/../secret", b"one"), (f"{shop.prefix}/secret", b"two")):
        shop.app.store.put(bucket, key, data)
    found = {one.ref.key: one.ref for one in shop.app.store.list_objects(bucket, f"{shop.prefix}/")}
    odd = found[f"{shop.prefix}/x/../secret"]
    assert shop.app.store.fetch(ObjectRef(bucket, odd.key, None, odd.etag)) == b"one"
