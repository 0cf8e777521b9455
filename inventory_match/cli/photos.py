"""`inventory-match photos`: what became of each photo, what no event announced, and another try for what rests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import click
from rich.progress import Progress

from inventory_match import intake
from inventory_match.bootstrap import App
from inventory_match.cli.frame import console, say, table, with_app
from inventory_match.cli.parameters import brief, past, picture, short
from inventory_match.db import photos as rows
from inventory_match.db import resting, views
from inventory_match.domain.errors import InvalidInput, NotFound
from inventory_match.domain.photos import PhotoState, PhotoUploaded
from inventory_match.domain.text import indented, printable
from inventory_match.s3.names import parse_uri

BATCH = 500
"""Photos redriven in one transaction."""
_RESTING = [str(state) for state in PhotoState if state not in (*rows.WAITING, PhotoState.UNROUTED)]


@click.group()
def photos() -> None:
    """Look at photos, scan a bucket, try again what rests."""


@photos.command("list")
@click.option("--state", type=click.Choice([str(state) for state in PhotoState]))
@click.option("--camera")
@click.option("-n", "limit", type=click.IntRange(min=1), default=50, show_default=True)
@with_app
def list_(app: App, state: str | None, camera: str | None, limit: int) -> None:
    """Photos as the view photo_log has them, newest first."""
    columns = ("id", "state", "camera", "captured_at", "attempts", "age", "key", "cause", "waiting_for")
    with app.unit_of_work() as session:
        found = views.read(session, "photo_log", columns, newest_by="id", limit=limit, state=state, camera=camera)
    table("Photos", columns, ((*r[:3], brief(r.captured_at), r.attempts, short(r.age), *r[6:]) for r in found))


@photos.command("show")
@click.argument("photo_id", type=int)
@with_app
def show(app: App, photo_id: int) -> None:
    """One photo: its state with its cause, and everything that was seen in it."""
    facts = (
        "bucket", "key", "version", "state", "cause", "waiting_for", "attempts", "store", "location", "camera", "captured_at",
        "captured_source", "uploaded_at", "registered_at", "finished_at", "width", "height", "quality",
    )  # fmt: skip
    seen = ("position", "answer", "sku", "similarity", "margin", "second_sku", "rule", "expected", "expected_by")
    with app.unit_of_work() as session:
        found = views.read(session, "photo_log", facts, id=photo_id)
        sightings = views.read(session, "sighting_log", seen, photo_id=photo_id)
    if not found:
        raise NotFound(f"photo {photo_id} does not exist; `inventory-match photos list` shows them")
    table(f"Photo {photo_id}", ("", ""), zip(facts, found[0], strict=True))
    table(
        "Sightings",
        seen,
        (
            (*r[:3], _figure(r.similarity), _figure(r.margin), r.second_sku, r.rule, _named(r.expected), r.expected_by)
            for r in sightings
        ),
    )


@photos.command("scan")
@click.argument("uri")
@with_app
def scan(app: App, uri: str) -> None:
    """Register what lies under s3://bucket/prefix and no event announced, and print the gap."""
    bucket, prefix = parse_uri(uri)
    if bucket not in app.settings.buckets:
        cure = "add it to INVENTORY_MATCH_ALLOWED_BUCKETS"
        raise InvalidInput(f"bucket {bucket!r} is not one of {', '.join(sorted(app.settings.buckets))}", cure=cure)
    listed = 0

    def counted(objects: Iterable[PhotoUploaded]) -> Iterator[PhotoUploaded]:
        nonlocal listed
        for uploaded in objects:
            listed += 1
            yield uploaded

    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(f"scanning {uri}", total=None)
        objects = counted(app.store.list_objects(bucket, prefix))
        taken = intake.scan(objects, app.unit_of_work, app.kicker, lambda n: progress.advance(task, n))
    gap = len(taken.registered) + len(taken.unrouted)
    figures = [
        ("listed", listed),
        ("already known", taken.known),
        ("newly registered", len(taken.registered)),
        ("newly registered, unrouted", len(taken.unrouted)),
        ("said to be gone, and there", len(taken.back)),
        ("catalog pictures, not photos", listed - gap - len(taken.back) - taken.known),
    ]
    table(f"The gap: {gap} photos no event announced", ("objects", "count"), figures)


@photos.command("redrive")
@click.argument("photo_ids", type=int, nargs=-1)
@click.option("--state", type=click.Choice(_RESTING), help="All photos that rest in this state.")
@click.option("--since", type=past, help="Only those that came to rest since then: 2026-03-01T00:00 (UTC), or 2h, 3d.")
@click.option("--until", type=past, help="Only those that came to rest before then.")
@click.option("--camera", help="Only those of this camera.")
@with_app
def redrive(
    app: App,
    photo_ids: tuple[int, ...],
    state: str | None,
    since: datetime | None,
    until: datetime | None,
    camera: str | None,
) -> None:
    """Give photos that rest a fresh set of attempts: by their ids, or all of one state."""
    if bool(photo_ids) == (state is not None):
        raise InvalidInput("say which photos", cure="give ids, or --state dead")
    if photo_ids and (since or until or camera):
        raise InvalidInput("--since, --until and --camera choose among photos of one state", cure="give --state too")
    chosen = resting.Chosen(str(state), since, until, camera)
    asked, left = 0, list[int]()
    for batch in [list(photo_ids)] if photo_ids else _batches(app, chosen):
        with app.unit_of_work() as session:
            driven = rows.redrive(session, batch)
        intake.kick_all(app.kicker, driven)
        asked += len(set(batch))
        left += sorted(set(batch) - set(driven))
    say(f"{asked - len(left)} of {asked} photos are tried again")
    if left:
        why = "unknown, waiting already, without a camera, or expired"
        say(f"not {', '.join(map(str, left[:20]))}{' ...' if len(left) > 20 else ''}: {why}")


@photos.command("rejected-messages")
@click.option("-n", "limit", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--full", is_flag=True, help="Print whole bodies instead of a table.")
@with_app
def rejected_messages(app: App, limit: int, full: bool) -> None:
    """Queue messages that could not be read, newest first."""
    with app.unit_of_work() as session:
        found = rows.rejected(session, limit)
    if full:
        for one in found:
            head = printable(f"{one.id} {brief(one.received_at)} {one.message_id}: {one.cause}")
            click.echo(f"{head}\n    {indented(one.body)}\n")
        return
    body = ((one.id, brief(one.received_at), one.cause, one.body[:120]) for one in found)
    table("Rejected messages", ("id", "received", "cause", "body"), body)


def _batches(app: App, chosen: resting.Chosen) -> Iterator[list[int]]:
    """The photos chosen, a few hundred at a time, so that no transaction holds many of them."""
    last = 0
    while True:
        with app.unit_of_work() as session:
            batch = resting.at_rest(session, chosen, last, BATCH)
        if not batch:
            return
        yield batch
        last = batch[-1]


def _named(skus: list[str] | None) -> str | None:
    return None if skus is None else ", ".join(skus) or "none of the candidates"


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"


@photos.command()
@click.argument("photo_id", type=int)
@click.option("-o", "--out", required=True, type=picture, metavar="FILE", help="PNG or JPEG to write.")
@with_app
def draw(app: App, photo_id: int, out: Path) -> None:
    """Draw what was seen in a photo: boxes coloured by decision, names, similarities, rows of the shelf, gaps."""
    from inventory_match.annotated import annotated_photo

    with app.unit_of_work() as session:
        drawn = annotated_photo(session, app.store, photo_id, f"photo {photo_id}")
    drawn.save(out)
    console.print(f"{out}: {drawn.width} x {drawn.height}", markup=False)
