"""What measuring commands share: an app on a database of its own for each encoder, and bars that show how far they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from inventory_match.bootstrap import App, migrations
from inventory_match.cli.frame import opened, problems
from inventory_match.db import migrate
from inventory_match.db.scratch import answers, scratch_database

if TYPE_CHECKING:
    from inventory_match.learning.evaluate import Serving

Bars = Callable[[str, int], Callable[[int], None]]


@contextmanager
def a_server(app: App) -> Iterator[str]:
    """The URL of the configured Postgres; where none answers, of one that is started for the purpose."""
    configured = app.settings.database_url.get_secret_value()
    if answers(configured):
        yield configured
        return
    from inventory_match.embedded.machine import Machine

    problems.print("no server answers at INVENTORY_MATCH_DATABASE_URL; starting one for this", style="dim")
    with Machine() as machine:
        yield machine.dsn


@contextmanager
def scratch_serving(app: App, server: str, encoder_file: Path | None = None) -> Iterator[Serving]:
    """What serves, on a new, migrated database at `server`; with the encoder of that file, or else the configured one.

    Photos are decoded without quality limits: those judge cameras, and bad photos belong to what is measured.
    """
    from inventory_match.learning.evaluate import Serving

    other = {} if encoder_file is None else {"encoder_file": encoder_file, "encoder_sha256": None}
    with scratch_database(server) as url:
        settings = app.settings.model_copy(update={"database_url": SecretStr(url), **other})
        with opened(settings) as scratch:
            migrate.upgrade(scratch.engine, migrations())
            parts = scratch.encoder, scratch.encoder_record, scratch.rules
            yield Serving(scratch.unit_of_work, scratch.reference_decoder, *parts)


@contextmanager
def bars() -> Iterator[Bars]:
    """Shows a bar for each thing that is counted; they go away at the end."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=problems, transient=True) as progress:

        def bar(what: str, total: int) -> Callable[[int], None]:
            task = progress.add_task(what, total=total)
            return lambda done: progress.advance(task, done)

        yield bar
