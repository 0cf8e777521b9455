"""`inventory-match planogram`: what should stand on a shelf, and whether it does."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inventory_match.bootstrap import App
from inventory_match.cli.frame import say, table, with_app
from inventory_match.cli.parameters import brief, who
from inventory_match.db import planograms as rows
from inventory_match.db import views
from inventory_match.db.planograms import Shelf
from inventory_match.domain.compliance import Summary, Verdict, tally
from inventory_match.domain.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from sqlalchemy import Row

_COLUMNS = (
    "store", "location", "shelf_row", "place_in_row", "sku", "name", "verdict", "answer", "gap", "seen_answer", "seen_sku",
    "stands_row", "stands_place", "expected_by", "planogram_id", "seen_in", "looks", "camera", "captured_at", "photo_id",
    "position",
)  # fmt: skip


@click.group()
def planogram() -> None:
    """What should stand on a shelf, and whether it does."""


def _of_shelf(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--location", help="A shelf of --store, whatever watches it."),
        click.option("--store"),
        click.option("--camera", help="The view of one camera only."),
    ):
        command = option(command)
    return command


@planogram.command()
@click.argument("file", type=click.Path(path_type=Path))
@_of_shelf
@click.option("--by", default=who, help="Who plans it so.", show_default="your login")
@with_app
def apply(app: App, file: Path, camera: str | None, store: str | None, location: str | None, by: str) -> None:
    """Plan a shelf as FILE says: TOML or JSON, also the JSON of the retired Planogram Compliance service.

    The plan before ends; each says when it held. A camera's own plan comes before that of its location.
    """
    from inventory_match import planogram_file
    from inventory_match.apply_planogram import apply_planogram

    found = apply_planogram(app.unit_of_work, _shelf(app, camera, store, location), planogram_file.read(file), by)
    size = f"{found.plan.rows} rows, {found.plan.facings} facings"
    if not found.changed:
        say(f"nothing to change: planogram {found.planogram_id} says the same ({size})")
        return
    say(f"planogram {found.planogram_id} {found.plan.name!r} is in force: {size}; {found.judged} photos judged by it")


@planogram.command()
@click.argument("planogram_id", type=int, required=False)
@_of_shelf
@with_app
def show(app: App, planogram_id: int | None, camera: str | None, store: str | None, location: str | None) -> None:
    """Show what is planned for a shelf now, or a plan by its id."""
    if planogram_id is None:
        shelf = _shelf(app, camera, store, location)
        with app.unit_of_work() as session:
            found = rows.in_force(session, shelf)
        if found is None:
            raise NotFound(f"no planogram is in force for {shelf}; `inventory-match planogram list` shows which are")
    else:
        with app.unit_of_work() as session:
            found = rows.find(session, planogram_id)
        if found is None:
            raise NotFound(
                f"planogram {planogram_id} does not exist; `inventory-match planogram list --all` shows them"
            )
    since = f"since {brief(found.applied_at)} by {found.applied_by}"
    until = f", until {brief(found.ended_at)}" if found.ended_at else ""
    say(f"{found.plan.name!r} of {found.shelf}, {since}{until}")
    table(
        f"Planogram {found.id}",
        ("row", "place", "sku", "facings"),
        ((one.row, one.place, one.sku, one.facings) for one in found.plan.slots),
    )


@planogram.command("list")
@click.option("--all", "ended", is_flag=True, help="Also those that held before.")
@with_app
def list_(app: App, ended: bool) -> None:
    """The plans in force."""
    with app.unit_of_work() as session:
        found = rows.listed(session, ended=ended)
    table(
        "Planograms",
        ("id", "store", "location", "camera", "name", "rows", "facings", "since", "by", "until"),
        (
            (
                *(one.id, one.shelf.store, one.shelf.location, one.shelf.camera, one.plan.name, one.plan.rows),
                *(one.plan.facings, brief(one.applied_at), one.applied_by, brief(one.ended_at)),
            )
            for one in found
        ),
    )


@planogram.command()
@_of_shelf
@with_app
def remove(app: App, camera: str | None, store: str | None, location: str | None) -> None:
    """End the plan of a shelf; it stays in the list. From then on what usually stands there is expected."""
    from inventory_match.apply_planogram import remove_planogram

    shelf = _shelf(app, camera, store, location)
    removed = remove_planogram(app.unit_of_work, shelf)
    say(f"the planogram of {shelf} has ended" if removed else f"{shelf} has no planogram of its own")


@planogram.command()
@_of_shelf
@click.option("--photo", "photo_id", type=int, help="As one photo showed it, judged by what was expected then.")
@click.option("--all", "everything", is_flag=True, help="Also what is as it should be.")
@click.option("--json", "as_json", is_flag=True, help="For machines: every position, and the figures.")
@with_app
def check(
    app: App,
    camera: str | None,
    store: str | None,
    location: str | None,
    photo_id: int | None,
    everything: bool,
    as_json: bool,
) -> None:
    """Whether shelves are as planned, or, without a plan, as usual: all of them, those of a store, one, or one photo."""
    if photo_id is not None and (camera or store or location):
        raise InvalidInput("--photo says which shelf it is", cure="leave --camera, --store and --location away")
    view = "planogram_compliance" if photo_id is None else "planogram_log"
    with app.unit_of_work() as session:
        if photo_id is not None and not views.read(session, "photo_log", ("id",), id=photo_id):
            raise NotFound(f"photo {photo_id} does not exist; `inventory-match photos list` shows them")
        read = views.read(session, view, _COLUMNS, camera=camera, store=store, location=location, photo_id=photo_id)
    found = sorted(read, key=lambda one: (one.store, one.location, one.expected_by, one.shelf_row, one.place_in_row))
    shelves = [(*key, list(these)) for key, these in groupby(found, key=lambda one: (*one[:2], one.expected_by))]
    if as_json:
        click.echo(json.dumps({"shelves": [_as_dict(*shelf) for shelf in shelves]}, indent=2, default=str))
    elif not shelves:
        say("nothing is expected there: no planogram is in force, and no photos show yet what is usual")
    for shelf in [] if as_json else shelves:
        _print(*shelf, everything=everything)


def _print(store: str, location: str, expected_by: str, found: Sequence[Row[Any]], *, everything: bool) -> None:
    shown = [one for one in found if everything or one.verdict != Verdict.COMPLIANT]
    body = (
        (
            one.shelf_row,
            one.place_in_row,
            one.sku,
            one.name,
            _words(one),
            _seen(one),
            one.photo_id,
            brief(one.captured_at),
        )
        for one in shown
    )
    table(
        f"{store}, {location}: expected by {expected_by}",
        ("row", "place", "sku", "name", "verdict", "seen there", "photo", "taken"),
        body,
    )
    say(_figures(_tally(found)))


def _words(one: Row[Any]) -> str:
    """The verdict, where a misplaced product stands, and how sure it is that it belongs there."""
    stands = f", stands in row {one.stands_row} at place {one.stands_place}" if one.stands_row is not None else ""
    usual = f" (usual: {one.seen_in} of {one.looks})" if one.looks is not None else ""
    return f"{one.verdict.replace('_', ' ')}{stands}{usual}"


def _seen(one: Row[Any]) -> str | None:
    return "bare shelf" if one.gap else one.seen_sku or (one.seen_answer or "nothing").replace("_", " ")


def _figures(figures: Summary) -> str:
    share = "not assessable" if figures.share is None else f"{figures.share:.1%}"
    return (
        f"compliance {share}: {figures.compliant} of {figures.assessed} assessed, {figures.eligible} eligible"
        f" ({figures.needs_review} need review, {figures.not_assessable} not assessable); {figures.misplaced} misplaced,"
        f" {figures.missing} missing, {figures.gaps} gaps, {figures.extra} extra"
    )


def _tally(found: Sequence[Row[Any]]) -> Summary:
    return tally((Verdict(one.verdict), one.gap) for one in found)


def _as_dict(store: str, location: str, expected_by: str, found: Sequence[Row[Any]]) -> dict[str, Any]:
    figures = _tally(found)
    return {
        "store": store,
        "location": location,
        "expected_by": expected_by,
        "compliance": figures.share,
        **{name: getattr(figures, name) for name in Summary.__dataclass_fields__},
        "positions": [one._asdict() for one in found],
    }


def _shelf(app: App, camera: str | None, store: str | None, location: str | None) -> Shelf:
    """Raises InvalidInput where the options name no shelf, NotFound where they name none that is there."""
    if (camera is None) == (store is None and location is None) or (store is None) != (location is None):
        raise InvalidInput("say which shelf", cure="give --camera, or --store and --location")
    if camera is None:
        return Shelf(str(store), str(location))
    with app.unit_of_work() as session:
        found = rows.watched_by(session, camera)
    if found is None:
        raise NotFound(f"{camera!r} is no shelf camera; `inventory-match site show` shows the cameras")
    return found
