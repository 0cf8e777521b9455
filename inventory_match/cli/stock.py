"""`inventory-match stock`: count by hand, book movements, look at levels and at how they came about."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any
from uuid import uuid4

import click

from inventory_match import bookkeeping
from inventory_match.alerting import Raised
from inventory_match.bookkeeping import Entry
from inventory_match.bootstrap import App
from inventory_match.cli.frame import say, table, with_app
from inventory_match.cli.parameters import brief, moment, now, short, who
from inventory_match.db import views
from inventory_match.domain.ledger import Effect, Kind

_DONE = {
    Effect.MOVED: "counted; the level is now {units}",
    Effect.KEPT: "counted; the level was {units} already",
    Effect.LATE: "written down, but a newer observation decides the level",
    None: "nothing written: this key was counted before",
}


@click.group()
def stock() -> None:
    """Count, receive, sell, adjust; show levels and their history."""


def _with_entry(command: Callable[..., None]) -> Callable[..., None]:
    """The options every entry by hand has, handed over as one `Entry`."""

    @click.option("--at", type=moment, help="When; default: now. Without a zone: the store's local time.")
    @click.option("--key", help="Idempotency key: the same one twice is one entry. Default: a new one.")
    @click.option("--by", default=who, help="Who says so; default: your account's name.")
    @click.option("--note", help="Why, for whoever reads the ledger.")
    @wraps(command)
    def run(*args: Any, at: datetime | None, key: str | None, by: str, note: str | None, **told: Any) -> None:
        command(*args, entry=Entry(key or uuid4().hex, by, at, note), **told)

    return run


_somewhere = click.option("--location", help="Where in the store; default: not known.")


@stock.command("count")
@click.argument("store")
@click.argument("location")
@click.argument("sku")
@click.argument("units", type=click.IntRange(min=0))
@_with_entry
@with_app
def count(app: App, store: str, location: str, sku: str, units: int, entry: Entry) -> None:
    """Tell how many UNITS of SKU a person counted at LOCATION. A person is believed at once."""
    with app.unit_of_work() as session:
        effect, raised = bookkeeping.count(session, store, location, sku, units, entry, now())
    say(f"{store}/{location} {sku}: {_DONE[effect].format(units=units)}")
    tell(raised)


@stock.command("receive")
@click.argument("store")
@click.argument("sku")
@click.argument("units", type=click.IntRange(min=1))
@_somewhere
@_with_entry
@with_app
def receive(app: App, store: str, sku: str, units: int, location: str | None, entry: Entry) -> None:
    """Book UNITS of SKU that arrived at STORE. For goods of a reorder use `reorder receive`."""
    _move(app, store, location, sku, Kind.RECEIVED, units, entry)


@stock.command("sell")
@click.argument("store")
@click.argument("sku")
@click.argument("units", type=click.IntRange(min=1))
@_somewhere
@_with_entry
@with_app
def sell(app: App, store: str, sku: str, units: int, location: str | None, entry: Entry) -> None:
    """Book UNITS of SKU that were sold at STORE."""
    _move(app, store, location, sku, Kind.SOLD, units, entry)


@stock.command("adjust", context_settings={"ignore_unknown_options": True})
@click.argument("store")
@click.argument("sku")
@click.argument("units", type=int)
@_somewhere
@_with_entry
@with_app
def adjust(app: App, store: str, sku: str, units: int, location: str | None, entry: Entry) -> None:
    """Correct the books of SKU at STORE by UNITS, which may be negative (breakage, theft, a mistake)."""
    _move(app, store, location, sku, Kind.ADJUSTED, units, entry)


@stock.command("show")
@click.argument("store", required=False)
@click.argument("sku", required=False)
@with_app
def show(app: App, store: str | None, sku: str | None) -> None:
    """Levels as the view stock_on_hand has them, with their age."""
    columns = ("store", "sku", "name", "level", "level_source", "stage", "camera_units", "book_units", "age")
    with app.unit_of_work() as session:
        rows = views.read(session, "stock_on_hand", columns, store=store, sku=sku)
    table("Stock on hand", columns, ((*row[:-1], short(row.age)) for row in rows))


@stock.command("history")
@click.argument("sku")
@click.option("--store")
@click.option("-n", "limit", type=click.IntRange(min=1), default=50, show_default=True)
@with_app
def history(app: App, sku: str, store: str | None, limit: int) -> None:
    """The ledger of SKU, newest first: every count and movement, and what it did to the level."""
    columns = ("observed_at", "store", "location", "kind", "effect", "units", "actor", "photo_id", "note")
    with app.unit_of_work() as session:
        rows = views.read(session, "stock_history", columns, newest_by="observed_at", limit=limit, sku=sku, store=store)
    table(f"History of {sku}", columns, ((brief(row.observed_at), *row[1:]) for row in rows))


def tell(raised: Raised) -> None:
    """What judging led to, one line each."""
    for reorder_id in raised.reorders:
        say(f"reorder {reorder_id} opened")
    for kind, sku in raised.alerts:
        say(f"{kind} for {sku} goes to the webhooks")


def _move(app: App, store: str, location: str | None, sku: str, kind: Kind, units: int, entry: Entry) -> None:
    with app.unit_of_work() as session:
        row, raised = bookkeeping.move(session, store, location, sku, kind, units, entry, now())
    say(f"{store} {sku}: {kind} {units}, ledger row {row} (key {entry.key})")
    tell(raised)
