"""`inventory-match review`: people answer what the catalog could not, and the catalog learns it at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from inventory_match.bootstrap import App
from inventory_match.cli.frame import say, table, with_app
from inventory_match.cli.parameters import brief, picture, who
from inventory_match.db import views
from inventory_match.domain.errors import InvalidInput

if TYPE_CHECKING:
    from inventory_match.review import Answered
    from inventory_match.review_queue import Question

_BY = click.option("--by", default=who, show_default="who is at the keyboard", help="Who answers.")
_REASON = click.option("--reason", help="Why, for whoever reads the log.")
_FORCE = click.option("--force", is_flag=True, help="Even where the crop looks more like another product.")
_GROUP = click.option("--group", type=int, help="All look-alikes of this sighting, in all stores.")
_ALIKE = click.option("--similarity", type=float, help="From which two look alike, as it was given to `groups`.")
DRAWN = 100
"""Rows of a picture at most: of twice as many no JPEG can be made."""
_PICTURE = click.option("-o", "--out", type=picture, metavar="FILE", help="Write a picture: PNG or JPEG.")


@click.group()
def review() -> None:
    """Answer what could not be decided; each answer teaches at once.

    An accepted crop becomes a reference photo, so the next photo of the product matches. Reviewing changes no count and no
    entry of the ledger: both are append-only, and later photos count what they see.
    """


@review.command("next")
@click.option("--store")
@click.option("--location")
@click.option("-n", "--limit", type=click.IntRange(1, DRAWN), default=1, show_default=True)
@_PICTURE
@with_app
def next_(app: App, store: str | None, location: str | None, limit: int, out: Path | None) -> None:
    """Show what to answer next: the closest calls first, then the unknown that most look-alikes stand behind."""
    from inventory_match.review_queue import questions

    with app.unit_of_work() as session:
        asked = questions(session, store, location, limit)
    if not asked:
        say("nothing waits for an answer")
    for question in asked:
        _show(app, question)
    if asked and out is not None:
        from inventory_match.review_sheet import question_sheet

        with app.unit_of_work() as session:
            drawn = question_sheet(session, app.pixels, asked)
        drawn.save(out)
        say(f"{out}: {drawn.width} x {drawn.height}")


@review.command("groups")
@click.option("--store")
@click.option("--location")
@click.option("-n", "--limit", type=click.IntRange(1, DRAWN), default=20, show_default=True)
@click.option("--similarity", type=float, help="From which two look alike; default: the encoder's accept threshold.")
@_PICTURE
@with_app
def groups(
    app: App, store: str | None, location: str | None, limit: int, similarity: float | None, out: Path | None
) -> None:
    """Unknown sightings that look alike, largest group first; `assign --group` answers for all of one."""
    from inventory_match.review_queue import groups as find

    with app.unit_of_work() as session:
        found = find(session, store, location, similarity)
    shown = found[:limit]
    table(
        f"{len(found)} groups of unknown look-alikes",
        ("group", "sightings", "stores", "first seen", "last seen"),
        [
            (one.name, len(one.sightings), ", ".join(one.stores), brief(one.first_seen), brief(one.last_seen))
            for one in shown
        ],
    )
    if shown and out is not None:
        from inventory_match.review_sheet import group_sheet

        with app.unit_of_work() as session:
            drawn = group_sheet(session, app.pixels, shown)
        drawn.save(out)
        say(f"{out}: {drawn.width} x {drawn.height}")


@review.command()
@click.argument("sighting", type=int)
@click.option("--sku", help="Another of its candidates than the first.")
@_BY
@_REASON
@_FORCE
@with_app
def accept(app: App, sighting: int, sku: str | None, by: str, reason: str | None, force: bool) -> None:
    """SIGHTING shows its first candidate. Its crop becomes a reference photo."""
    from inventory_match import review as answers

    given = answers.Given(by, reason, force)
    _tell(answers.accept(app.studio, app.unit_of_work, sighting, sku, given), f"sighting {sighting}")


@review.command()
@click.argument("words", nargs=-1, metavar="[SIGHTING] SKU [NAME]")
@_GROUP
@_ALIKE
@click.option("--new", is_flag=True, help="Enrol SKU as a new product called NAME.")
@click.option("--category", help="Of a new product.")
@click.option("--brand", help="Of a new product.")
@click.option("--gtin", help="Of a new product.")
@click.option("--description", help="Of a new product.")
@_BY
@_REASON
@_FORCE
@with_app
def assign(
    app: App,
    /,
    words: tuple[str, ...],
    group: int | None,
    similarity: float | None,
    new: bool,
    by: str,
    reason: str | None,
    force: bool,
    **facts: str | None,
) -> None:
    """SIGHTING, or a whole group, shows SKU: a product of the catalog, or with --new one that it gets now.

    \b
    inventory-match review assign 17 tea-green
    inventory-match review assign 17 tea-red --new "Red tea"
    inventory-match review assign --group 17 --new tea-red "Red tea" --category tea
    """
    from inventory_match import review as answers
    from inventory_match.db.catalog import ProductFacts

    sighting, sku, name = _words(words, group, new=new)
    given = answers.Given(by, reason, force, group)
    product = ProductFacts(sku, name, **facts)
    sightings, called = _sightings(app, sighting, group, similarity)
    _tell(answers.assign(app.studio, app.unit_of_work, sightings, product, given, new=new), called)


@review.command()
@click.argument("sighting", type=int, required=False)
@_GROUP
@_ALIKE
@_BY
@_REASON
@with_app
def reject(
    app: App, sighting: int | None, group: int | None, similarity: float | None, by: str, reason: str | None
) -> None:
    """SIGHTING, or a whole group, shows no product, or is never to be used."""
    from inventory_match import review as answers

    sightings, called = _sightings(app, sighting, group, similarity)
    _tell(answers.reject(app.unit_of_work, sightings, answers.Given(by, reason, group_of=group)), called)


@review.command()
@click.argument("sighting", type=int)
@_BY
@_REASON
@with_app
def undo(app: App, sighting: int, by: str, reason: str | None) -> None:
    """Take the answer to SIGHTING back, for its whole group where it was given for one; its references are withdrawn."""
    from inventory_match import review as answers

    done = answers.undo(app.unit_of_work, sighting, answers.Given(by, reason))
    say(
        f"taken back: {done.sku or 'no product'}, {_count(done.sightings, 'sighting')},"
        f" {_count(done.references, 'reference photo')} withdrawn"
    )


@review.command()
@click.option("-n", "--limit", type=click.IntRange(min=1), default=50, show_default=True)
@with_app
def log(app: App, limit: int) -> None:
    """What people answered, newest first, as the view review_log has it."""
    columns = ("id", "answered_at", "actor", "verdict", "sku", "sighting_id", "stands", "undone_by", "forced", "reason")
    with app.unit_of_work() as session:
        found = views.read(session, "review_log", columns, newest_by="id", limit=limit)
    table("Answers", columns, ((row.id, brief(row.answered_at), *row[2:]) for row in found))


def _words(words: tuple[str, ...], group: int | None, *, new: bool) -> tuple[int | None, str, str | None]:
    """The sighting (None with a group), the sku, and the name of a new product."""
    wanted = (group is None) + 1 + new
    if len(words) != wanted or (group is None and not words[0].isdigit()):
        line = " ".join(["SIGHTING"] * (group is None) + ["SKU"] + ['"Name"'] * new)
        raise click.UsageError(f"say which: {line}")
    sighting = int(words[0]) if group is None else None
    sku, *name = words[group is None :]
    return sighting, sku, name[0] if name else None


def _sightings(app: App, sighting: int | None, group: int | None, similarity: float | None) -> tuple[list[int], str]:
    """Those meant, and what to call them."""
    from inventory_match.review_queue import group_named

    if (sighting is None) == (group is None):
        raise InvalidInput("say what is answered", cure="give a sighting, or --group")
    if sighting is not None:
        return [sighting], f"sighting {sighting}"
    with app.unit_of_work() as session:
        found = group_named(session, int(group or 0), similarity)
    return found.sightings, f"group {group}"


def _show(app: App, question: Question) -> None:
    from inventory_match.db.catalog import list_products

    kept = question.kept
    with app.unit_of_work() as session:
        names = {one.sku: one.name for one in list_products(session, {c.sku for c in kept.candidates})}
    box = ", ".join(f"{corner:.3f}" for corner in (kept.box.x0, kept.box.y0, kept.box.x1, kept.box.y1))
    say(f"sighting {kept.id}: {kept.outcome}, {kept.rule}")
    say(f"  photo {kept.photo_id}: s3://{kept.photo.bucket}/{kept.photo.key}")
    say(
        f"  {kept.store}, {kept.location}, camera {kept.camera}, {brief(kept.captured_at)}; place {kept.position}, box {box}"
    )
    if question.group is not None and len(question.group.sightings) > 1:
        say(
            f"  {len(question.group.sightings)} look alike: `review assign --group {question.group.name}` answers for all"
        )
    rows = [(one.sku, names.get(one.sku), f"{one.similarity:.3f}") for one in kept.candidates]
    table("Candidates", ("sku", "name", "similarity"), rows)


def _tell(done: Answered, called: str) -> None:
    what = f"is {done.sku}" if done.sku else "is no product"
    if done.known:
        say(f"{called} {what}: answered so already")
    elif done.sku:
        say(
            f"{called} {what}: {_count(done.references, 'new reference photo')} for {_count(done.sightings, 'sighting')}"
        )
    else:
        say(f"{called} {what}: {_count(done.sightings, 'sighting')} will not be asked again")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
