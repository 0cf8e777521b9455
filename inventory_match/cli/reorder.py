"""`inventory-match reorder`: the moves of a reorder, by the same functions analysts call in SQL."""

from __future__ import annotations

import click

from inventory_match import bookkeeping
from inventory_match.bootstrap import App
from inventory_match.cli.frame import say, table, with_app
from inventory_match.cli.parameters import brief, now, short
from inventory_match.cli.stock import tell
from inventory_match.db import reorders, views


@click.group()
def reorder() -> None:
    """Open, placed, partly received, received or cancelled."""


@reorder.command("list")
@click.option("--store")
@with_app
def list_(app: App, store: str | None) -> None:
    """Reorders that are open, as the view open_reorders has them."""
    columns = (
        "id",
        "store",
        "sku",
        "name",
        "state",
        "units",
        "received_units",
        "level_now",
        "age",
        "expected_at",
        "overdue",
    )
    with app.unit_of_work() as session:
        rows = views.read(session, "open_reorders", columns, store=store)
    table("Open reorders", columns, ((*row[:8], short(row.age), brief(row.expected_at), row.overdue) for row in rows))


@reorder.command("place")
@click.argument("reorder_id", type=int)
@click.option("--units", type=click.IntRange(min=1), help="Order this many instead of what was proposed.")
@with_app
def place(app: App, reorder_id: int, units: int | None) -> None:
    """Tell that a reorder was sent to the supplier."""
    with app.unit_of_work() as session:
        state = reorders.place(session, reorder_id, units)
    say(f"reorder {reorder_id} is {state}")


@reorder.command("receive")
@click.argument("reorder_id", type=int)
@click.argument("units", type=click.IntRange(min=1))
@click.option("--location", help="Where it was put; default: somewhere in the store.")
@click.option("--receipt", help="Number of the delivery note: the same one twice is booked once.")
@with_app
def receive(app: App, reorder_id: int, units: int, location: str | None, receipt: str | None) -> None:
    """Book UNITS that arrived on a placed reorder."""
    with app.unit_of_work() as session:
        state, raised = bookkeeping.receive_reorder(session, reorder_id, units, location, receipt, now())
    say(f"reorder {reorder_id} is {state}")
    tell(raised)


@reorder.command("cancel")
@click.argument("reorder_id", type=int)
@click.option("--note", help="Why.")
@with_app
def cancel(app: App, reorder_id: int, note: str | None) -> None:
    """End an open reorder; what arrived on it stays booked."""
    with app.unit_of_work() as session:
        state = reorders.cancel(session, reorder_id, note)
    say(f"reorder {reorder_id} is {state}")
