"""`inventory-match encoders list/build/activate/rollback/prune`: another encoder, while photos keep coming."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from inventory_match.bootstrap import App
from inventory_match.cli.frame import problems, say, table, with_app
from inventory_match.domain.errors import ServiceUnavailable

if TYPE_CHECKING:
    from inventory_match.db.catalog import Encoder
    from inventory_match.db.catalog.builds import Count

_LOOK_AGAIN = 0.5
_PATIENCE = 20.0
"""Seconds without a new vector after which somebody who waits is told that perhaps no worker runs."""
_WITHOUT_FAILED = click.option(
    "--without-failed", is_flag=True, help="Though it failed to embed some references: those are not found then."
)


@click.command("list")
@with_app
def list_(app: App) -> None:
    """Show every encoder: state, how much of the catalog it has embedded, dimensions, metric, thresholds."""
    from inventory_match.db import catalog
    from inventory_match.db.catalog import builds

    with app.unit_of_work() as session:
        rows = [(one, builds.count(session, one.id)) for one in catalog.encoders(session)]
    columns = "encoder", "sha256", "state", "done", "total", "failed", "dim", "metric", "accept", "margin", "activated"
    table("encoders", columns, [_line(*row) for row in rows])


@click.command()
@click.argument("name_or_file")
@click.option("--wait", is_flag=True, help="Until it is ready, with a progress bar.")
@click.option("--here", is_flag=True, help="Embed in this process, where no worker runs.")
@with_app
def build(app: App, name_or_file: str, wait: bool, here: bool) -> None:
    """Embed the catalog with another encoder, a file or a known one by name, while the active one goes on serving.

    Workers do it in the background, INVENTORY_MATCH_EMBED_RATE references a second. It goes on where it stopped when
    asked for again, and then also tries again what failed. The view `encoder_builds` shows how far it is.
    """
    encoder = _begin(app, name_or_file)
    if here:
        _watch(app, encoder, lambda: _step_here(app, encoder))
    else:
        try:
            app.kicker.kick_embedding(encoder.id)
        except ServiceUnavailable as error:
            problems.print(f"warning: {error}; a worker's chores begin it, or --here", style="yellow", markup=False)
        if wait:
            _watch(app, encoder, _Waiting(app, encoder))
    _tell(*_look(app, encoder))


@click.command()
@click.argument("name")
@_WITHOUT_FAILED
@with_app
def activate(app: App, name: str, without_failed: bool) -> None:
    """Let the encoder NAME (or the beginning of its sha256) look at photos from now on. `rollback` returns."""
    from inventory_match.db import catalog

    with app.unit_of_work() as session:
        wanted = catalog.encoder_named(session, name)
    _switch(app, wanted, without_failed=without_failed)


@click.command()
@_WITHOUT_FAILED
@click.option(
    "--incomplete", is_flag=True, help="At once, though references were added since: they are found a little later."
)
@with_app
def rollback(app: App, without_failed: bool, incomplete: bool) -> None:
    """Return to the encoder that was active before; once more, and it is this one again.

    Workers give it the vectors of references that are added while it rests, within seconds. --incomplete does not wait.
    """
    from inventory_match.db.catalog import switching

    with app.unit_of_work() as session:
        wanted = switching.previous(session)
    _switch(app, wanted, without_failed=without_failed, incomplete=incomplete)


@click.command()
@click.option("--keep", default=1, show_default=True, type=click.IntRange(min=0), help="Retired ones to keep.")
@with_app
def prune(app: App, keep: int) -> None:
    """Delete the vectors of retired encoders, but for the last active ones and those retired a moment ago.

    Their rows and files stay: `encoders build NAME` brings one back.
    """
    from inventory_match.db.catalog import switching

    lease = timedelta(seconds=app.settings.photo_lease)
    with app.unit_of_work() as session:
        gone = switching.prune(session, keep, lease)
    for encoder in gone:
        say(f"{encoder.name}: {switching.delete_vectors(app.engine, encoder)} vectors deleted")
    if not gone:
        say("nothing to prune")


def _begin(app: App, name_or_file: str) -> Encoder:
    from inventory_match import reembed
    from inventory_match.db import catalog
    from inventory_match.vision.weights import read_record

    path = Path(name_or_file)
    if path.is_file():
        return reembed.begin(app.workshop, app.unit_of_work, read_record(path))
    with app.unit_of_work() as session:
        known = catalog.encoder_named(session, name_or_file)
    return reembed.begin(app.workshop, app.unit_of_work, app.encoder_files.record(known))


def _watch(app: App, encoder: Encoder, between: Callable[[], bool]) -> None:
    """A bar until nothing is left to embed; `between` returns False where there is nothing to wait for."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=problems, transient=True) as bar:
        task = bar.add_task(encoder.name)
        going = True
        while going:
            going = between()
            _, found = _look(app, encoder)
            bar.update(task, total=found.total, completed=found.total - found.missing)


def _step_here(app: App, encoder: Encoder) -> bool:
    from inventory_match import reembed

    wait = reembed.step(app.workshop, app.unit_of_work, encoder.id)
    if wait is None:
        row, found = _look(app, encoder)
        if row.state != "building" or found.missing == found.failed:
            return False
        wait = _LOOK_AGAIN  # a worker is at it as well
    time.sleep(wait)
    return True


class _Waiting:
    """For workers to embed; says once when none seems to be there."""

    def __init__(self, app: App, encoder: Encoder) -> None:
        self._app, self._encoder = app, encoder
        self._missing, self._moved, self._told = -1, time.monotonic(), False

    def __call__(self) -> bool:
        time.sleep(_LOOK_AGAIN)
        row, found = _look(self._app, self._encoder)
        if row.pruned_at is not None:  # by somebody else, and nothing will come
            return False
        if found.missing != self._missing:
            self._missing, self._moved = found.missing, time.monotonic()
        elif not self._told and time.monotonic() - self._moved > _PATIENCE:
            idle = (
                f"warning: nothing was embedded for {_PATIENCE:.0f} s; does a worker run? If none does, stop this and"
            )
            problems.print(f"{idle} say --here", style="yellow", markup=False, soft_wrap=True)
            self._told = True
        return found.missing > found.failed or (row.state == "building" and not found.failed)


def _look(app: App, encoder: Encoder) -> tuple[Encoder, Count]:
    from inventory_match.db import catalog
    from inventory_match.db.catalog import builds

    with app.unit_of_work() as session:
        return catalog.encoder_named(session, encoder.sha256), builds.count(session, encoder.id)


def _tell(encoder: Encoder, found: Count) -> None:
    say(
        f"{encoder.name} ({encoder.sha256[:12]}): {encoder.state}, {found.total - found.missing} of {found.total} references"
    )
    if found.failed:
        say(f"{found.failed} references failed, last {found.last_failure}")
        say("import the catalog again to put lost pictures back, or `encoders activate --without-failed`")
    elif encoder.state == "ready":
        say(f"inventory-match encoders activate {encoder.name}")


def _switch(app: App, wanted: Encoder, *, without_failed: bool, incomplete: bool = False) -> None:
    from inventory_match.db.catalog import switching

    app.encoder_files.record(wanted)  # raises where its file is gone: photos would wait for it
    begun = time.perf_counter()
    with app.unit_of_work() as session:
        done = switching.activate(session, wanted, without_failed=without_failed, incomplete=incomplete)
    seconds = time.perf_counter() - begun
    before = f", {done.before.name} is kept" if done.before else ""
    say(f"{done.after.name} ({done.after.sha256[:12]}) is active{before}; it took {seconds * 1000:.0f} ms")
    for setting in ("accept_similarity", "match_margin"):
        if getattr(app.settings, setting) is not None:
            warning = f"warning: INVENTORY_MATCH_{setting.upper()} overrides what was calibrated with {done.after.name}"
            cure = "unset it unless it was measured with this one"
            problems.print(f"{warning}; {cure}", style="yellow", markup=False, soft_wrap=True)


def _line(encoder: Encoder, found: Count) -> tuple[object, ...]:
    state = "pruned" if encoder.pruned_at else encoder.state
    limits = encoder.thresholds.get("accept"), encoder.thresholds.get("margin")
    activated = encoder.activated_at and f"{encoder.activated_at:%Y-%m-%d %H:%M}"
    done = found.total - found.missing
    shown = encoder.name, encoder.sha256[:12], state, done, found.total, found.failed, encoder.dim, encoder.metric
    return *shown, *limits, activated
