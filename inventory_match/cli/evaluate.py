"""`inventory-match evaluate`: how well photos find their product, on a labelled set of the reader's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

import click
from pydantic import SecretStr
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from inventory_match.bootstrap import App, migrations
from inventory_match.cli.frame import opened, problems, say, table, with_app
from inventory_match.db import migrate
from inventory_match.db.scratch import answers, scratch_database

_File = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def evaluate() -> None:
    """Measure what serves on labelled photos."""


@evaluate.command("retrieval")
@click.option("--references", type=_File, required=True, help="CSV of the catalog: image, sku and perhaps x0,y0,x1,y1.")
@click.option("--queries", type=_File, required=True, help="CSV of photos to find; skus without reference are unknown.")
@click.option("--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the figures.")
@with_app
def retrieval(app: App, references: Path, queries: Path, out: Path | None) -> None:
    """Figures of retrieval, through the decoder, encoder, SQL and decision that serve, in a scratch database.

    The database is made on the configured server and dropped afterwards; where none answers, one is started for the purpose.
    """
    from inventory_match.learning.evaluate import Serving
    from inventory_match.learning.evaluate import evaluate as measure
    from inventory_match.learning.labelled import read_labelled
    from inventory_match.vision.images import decoder

    settings = app.settings
    catalog, asked = read_labelled(references), read_labelled(queries)
    decode = decoder(max_bytes=settings.photo_max_bytes, max_pixels=settings.photo_max_pixels)
    with _scratch(app) as scratch, _progress() as progress:
        serving = Serving(scratch.unit_of_work, decode, app.encoder, app.encoder_record, app.rules)
        task = progress.add_task("photos", total=len(catalog) + len(asked))
        found = asdict(measure(serving, catalog, asked, lambda done: progress.advance(task, done)))
    table("Retrieval", ["figure", "value"], [(key, _plain(value)) for key, value in found.items()])
    if out is not None:
        out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        say(f"written to {out}")


@contextmanager
def _scratch(app: App) -> Iterator[App]:
    """An app on a migrated database of its own."""
    with ExitStack() as held:
        url = held.enter_context(scratch_database(held.enter_context(_server(app))))
        scratch = held.enter_context(opened(app.settings.model_copy(update={"database_url": SecretStr(url)})))
        migrate.upgrade(scratch.engine, migrations())
        yield scratch


@contextmanager
def _server(app: App) -> Iterator[str]:
    configured = app.settings.database_url.get_secret_value()
    if answers(configured):
        yield configured
        return
    from inventory_match.embedded.machine import Machine

    problems.print("no server answers at INVENTORY_MATCH_DATABASE_URL; starting one for this", style="dim")
    with Machine() as machine:
        yield machine.dsn


def _progress() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=problems, transient=True)


def _plain(value: float | None) -> float | int | None:
    return round(value, 4) if isinstance(value, float) else value
