"""What measuring commands share: which encoder, what serves on a database of its own for it, and bars of progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from inventory_match.bootstrap import App, migrations
from inventory_match.cli.frame import opened, problems
from inventory_match.db import catalog, migrate
from inventory_match.db.scratch import answers, scratch_database
from inventory_match.domain.errors import NotFound
from inventory_match.domain.matching import Thresholds

if TYPE_CHECKING:
    from inventory_match.learning.evaluate import Serving
    from inventory_match.vision.weights import EncoderRecord

Bars = Callable[[str, int], Callable[[int], None]]


@dataclass(frozen=True, slots=True)
class Measured:
    """An encoder to measure, the thresholds it decides with, and whether the configured database knows it."""

    record: EncoderRecord
    thresholds: Thresholds
    registered: bool


def encoder_to_measure(app: App, named: str | None) -> Measured:
    """An encoder by its file, by the name or the first characters of the sha256 that the database knows, or the configured one.

    Thresholds are the database's where it knows the encoder, else the file's; settings override both. Raises NotFound,
    Conflict and ConfigurationError.
    """
    record = app.encoder_record if named is None else _record(app, named)
    row = _row(app, record.sha256)
    calibrated = record.thresholds if row is None else Thresholds.from_mapping(row.thresholds)
    return Measured(record, app.overridden(calibrated), row is not None)


def _record(app: App, named: str) -> EncoderRecord:
    from inventory_match.vision.weights import read_record

    path = Path(named)
    if path.is_file() or path.suffix or path.name != named:
        return read_record(path)
    with app.unit_of_work() as session:
        return app.encoder_files.record(catalog.encoder_named(session, named))


def _row(app: App, sha256: str) -> catalog.Encoder | None:
    """None also where no server answers, or its database is not ours."""
    if not answers(app.settings.database_url.get_secret_value()):
        return None
    with app.engine.connect() as connection:
        if migrate.current(connection) != migrate.head(migrations()):
            return None
    with app.unit_of_work() as session, suppress(NotFound):
        return catalog.encoder_named(session, sha256)
    return None


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
def scratch_app(app: App, server: str, measured: Measured) -> Iterator[App]:
    """An `App` on a new, migrated database at `server`, with this encoder; else configured as `app` is."""
    record = measured.record
    with scratch_database(server) as url:
        changes = {"database_url": SecretStr(url), "encoder_file": record.path, "encoder_sha256": record.sha256}
        with opened(app.settings.model_copy(update=changes)) as scratch:
            migrate.upgrade(scratch.engine, migrations())
            yield scratch


@contextmanager
def scratch_serving(app: App, server: str, measured: Measured) -> Iterator[Serving]:
    """What serves, on a new, migrated database at `server`, with this encoder and its thresholds."""
    with scratch_app(app, server, measured) as scratch:
        yield serving(scratch, measured)


def serving(scratch: App, measured: Measured) -> Serving:
    """What fills and asks a catalog, with this encoder and its thresholds.

    Photos are decoded without quality limits: those judge cameras, and bad photos belong to what is measured.
    """
    from inventory_match.learning.evaluate import Serving

    rules = replace(scratch.rules, thresholds=measured.thresholds)
    parts = scratch.unit_of_work, scratch.reference_decoder, scratch.encoder
    return Serving(*parts, measured.record, rules, scratch.engine, scratch.settings.index_method)


@contextmanager
def bars() -> Iterator[Bars]:
    """Shows a bar for each thing that is counted; they go away at the end."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=problems, transient=True) as progress:

        def bar(what: str, total: int) -> Callable[[int], None]:
            task = progress.add_task(what, total=total)
            return lambda done: progress.advance(task, done)

        yield bar
