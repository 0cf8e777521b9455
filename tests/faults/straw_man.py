"""What many would write: a Celery task with `acks_late`, rows without keys, the webhook posted where it comes up.

It sees with our own eyes and matches with our own SQL, so that all it lacks is the design: no registered photo before the
kick, no claim, no idempotency key, no outbox, no sweep, no scan. Its settings are Celery's defaults but for `acks_late`. It
answers the questions of `soak.subject.Subject`, and so stands in the very same storm. Run by hand:

    python tests/faults/straw_man.py --photos 200 --seed 1 --json OUT
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import urllib.request
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus
from uuid import uuid4

import click
from celery import Celery
from celery.signals import setup_logging
from sqlalchemy import text

from inventory_match.bootstrap import App
from inventory_match.db import catalog
from inventory_match.domain.errors import PhotoRejected
from inventory_match.domain.matching import Evidence, Outcome, decide
from inventory_match.domain.photos import Box, ObjectRef
from inventory_match.embedded.supervisor import Command
from inventory_match.logs import configure_logging
from inventory_match.settings import PREFIX, Settings
from inventory_match.soak.plan import DOCK, LEAST_PHOTOS, REORDER_POINT, STORE
from inventory_match.soak.run import soak
from inventory_match.soak.stand import Stand
from inventory_match.soak.subject import CLOCKS, Facts, Product, worker
from inventory_match.stages import of_photo, stage
from inventory_match.webhooks import signing

TABLES = """
create schema plain;
create table plain.photo (key text, state text);
create table plain.stock_event (key text, location text, sku text, units int);
create table plain.stock_level (location text, sku text, units int, primary key (location, sku));
create table plain.reorder (sku text);
create table plain.receiver (url text, secret text);
"""
app = Celery("straw_man", broker=os.environ.get(f"{PREFIX}REDIS_URL", "memory://"))
app.conf.update(
    task_acks_late=True, task_ignore_result=True, worker_hijack_root_logger=False, task_default_queue="photos"
)


@setup_logging.connect
def _log(**_: object) -> None:
    configure_logging("json", "INFO")


@cache
def parts() -> App:
    return App(Settings())


@app.task(name="plain.process")
def process(bucket: str, key: str) -> None:
    """One photo, from S3 to the webhook."""
    with of_photo(0, 0):
        try:
            camera = key.split("/")[1]
            skus = identify(bucket, key, camera)
        except PhotoRejected:
            with parts().unit_of_work() as session:
                session.execute(text("insert into plain.photo values (:key, 'rejected')"), {"key": key})
            return
        with stage("settle"):
            low = record(key, camera, skus)
        for kind, sku in low:
            tell(kind, sku)


def identify(bucket: str, key: str, camera: str) -> Counter[str]:
    """Facings by sku."""
    eyes, rules = parts().sight()
    with stage("fetch"):
        data = eyes.store.fetch(ObjectRef(bucket, key, None, ""))
    with stage("decode"):
        image = eyes.decode(data).image
    with stage("detect"):
        places = 1 if camera == DOCK else 3
        boxes = [Box(i / places, 0, (i + 1) / places, 1) for i in range(places)]
        regions = [region for region in eyes.detect(image, tuple(boxes)) if region.answer == "candidate"]
    with stage("embed"):
        embeddings = eyes.encoder.embed([eyes.crop(image, region.box) for region in regions])
    with parts().unit_of_work() as session:
        encoder = catalog.active_encoder(session)
        found = catalog.nearest(session, encoder, embeddings, rules.candidates, STORE, rules.search_exactly_below)
    decisions = [(decide(Evidence(candidates), rules.thresholds), candidates) for candidates in found]
    return Counter(candidates[0].sku for decision, candidates in decisions if decision.outcome is Outcome.MATCHED)


def record(key: str, camera: str, skus: Counter[str]) -> list[tuple[str, str]]:
    """Rows, and what has to be told."""
    low = []
    with parts().unit_of_work() as session:
        on_shelf = session.execute(
            text("select sku from plain.stock_level where location = :camera"), {"camera": camera}
        )
        for sku in sorted({*skus, *(() if camera == DOCK else on_shelf.scalars())}):
            values = {"key": key, "camera": camera, "sku": sku, "units": skus[sku]}
            session.execute(text("insert into plain.stock_event values (:key, :camera, :sku, :units)"), values)
            session.execute(
                text(
                    "insert into plain.stock_level values (:camera, :sku, :units)"
                    " on conflict (location, sku) do update set units = excluded.units"
                ),
                values,
            )
            watched = session.execute(
                text("select 1 from inventory_match.policy_rule where sku = :sku"), {"sku": sku}
            ).scalar()
            known = session.execute(text("select 1 from plain.reorder where sku = :sku"), {"sku": sku}).scalar()
            if camera != DOCK and watched and skus[sku] <= REORDER_POINT and not known:
                session.execute(text("insert into plain.reorder values (:sku)"), {"sku": sku})
                low += [("stock.low", sku), ("reorder.opened", sku)]
            if camera != DOCK and watched and skus[sku] == 0:
                low.append(("stock.out", sku))
        session.execute(text("insert into plain.photo values (:key, 'done')"), {"key": key})
    return low


def tell(kind: str, sku: str) -> None:
    """A signed webhook, once."""
    with parts().unit_of_work() as session:
        url, secret = session.execute(text("select url, secret from plain.receiver")).one()
    now = datetime.now(UTC)
    body = json.dumps({"type": kind, "timestamp": now.isoformat(), "data": {"sku": sku}}).encode()
    headers = {**signing.headers([secret], f"msg_{uuid4().hex}", now, body), "content-type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=2) as answer:
        answer.read()


def intake() -> None:
    """Hands every event to Celery and deletes it."""
    while True:
        messages = parts().queue.receive()
        for message in messages:
            for told in json.loads(message.body).get("Records", []):
                s3 = told["s3"]
                process.delay(s3["bucket"]["name"], unquote_plus(s3["object"]["key"]))
        parts().queue.delete(messages)


class StrawMan:
    """A `Subject`."""

    name = "plain Celery task, acks_late"
    pause_s = 12.0

    def prepare(self, stand: Stand) -> None:
        Product().prepare(stand)
        receiver = {"url": stand.receiver_url, "secret": stand.secret}
        with stand.app.unit_of_work() as session:
            session.execute(text(TABLES))
            session.execute(text("insert into plain.receiver values (:url, :secret)"), receiver)

    def commands(self) -> list[Command]:
        here = Path(__file__).parent
        code = f"import sys; sys.path.insert(0, {str(here)!r}); import straw_man; straw_man.intake()"
        workers = [Command(f"worker-{clock}", worker("straw_man", off, here), grace=5) for clock, off in CLOCKS.items()]
        return [*workers, Command("intake", [sys.executable, "-c", code])]

    def at_rest(self, stand: Stand) -> int:
        return int(stand.rows("select count(distinct key) from plain.photo")[0][0])

    def undelivered(self, stand: Stand) -> int:
        del stand
        return 0

    def catch_up(self, stand: Stand) -> int:
        del stand
        return 0

    def try_again(self, stand: Stand) -> int:
        del stand
        return 0

    def send_again(self, stand: Stand) -> None:
        """It does not know what it sent."""

    def facts(self, stand: Stand) -> Facts:
        events = stand.rows("select key, sku, count(*) from plain.stock_event group by 1, 2")
        received = "select sku, sum(units)::int from plain.stock_event where location = :dock group by 1"
        levels: list[Any] = stand.rows("select location, sku, units from plain.stock_level")
        return Facts(
            states={key: [state] for key, state in stand.rows("select distinct key, state from plain.photo")},
            ledger=Counter({(key, sku): rows for key, sku, rows in events}),
            received=dict(stand.rows(received, dock=DOCK)),
            levels={(location, sku): units for location, sku, units in levels},
            reorders=Counter(sku for (sku,) in stand.rows("select sku from plain.reorder")),
        )


@click.command()
@click.option("--photos", type=click.IntRange(min=LEAST_PHOTOS), default=200, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--json", "out", type=click.Path(path_type=Path, dir_okay=False))
def main(photos: int, seed: int, out: Path | None) -> None:
    """The soak's storm over the straw man."""
    with tempfile.TemporaryDirectory() as folder:
        report = soak(photos, seed, StrawMan(), Path(folder))
    figures = json.dumps(report.as_json(), indent=2) + "\n"
    click.echo(figures)
    if out is not None:
        out.write_text(figures, encoding="utf-8")


if __name__ == "__main__":
    main()
