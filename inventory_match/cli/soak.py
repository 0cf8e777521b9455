"""`inventory-match soak`: the promise as figures. Photos with known truth, and a saboteur that breaks whatever carries them."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from inventory_match.cli.frame import console, plain_errors, say, table
from inventory_match.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from inventory_match.soak.report import Report

_LEAST = 20


@click.command()
@click.option("--photos", type=click.IntRange(min=_LEAST), default=200, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Everything that is drawn hangs on it.")
@click.option("--json", "out", type=click.Path(path_type=Path, dir_okay=False), help="Where the figures go.")
@click.option("--log", type=click.Path(path_type=Path, dir_okay=False), help="Keep what the processes logged.")
def soak(photos: int, seed: int, out: Path | None, log: Path | None) -> None:
    """Put photos through servers and processes that are killed, cut off and lied to, and count what was lost or doubled.

    Everything happens on servers of its own on this machine, which are gone afterwards. Exit code 1 when anything was lost,
    doubled or wrong.
    """
    with plain_errors(), tempfile.TemporaryDirectory(prefix="inventory-match-soak-") as folder:
        try:
            report = _soak(photos, seed, Path(folder))
        finally:
            told = Path(folder) / "soak.log"
            if log is not None and told.exists():
                log.write_bytes(told.read_bytes())
    figures = report.as_json()
    if out is not None:
        out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    table("soak", ("figure", "value"), [(name, _plain(value)) for name, value in figures.items()])
    for complaint in report.complaints:
        console.print(f"[red]{complaint}[/red]")
    if report.complaints:
        raise SystemExit(1)
    say("nothing lost, nothing doubled")


def _soak(photos: int, seed: int, folder: Path) -> Report:
    try:
        from inventory_match.soak.run import soak as run
        from inventory_match.soak.subject import Product
    except ImportError as error:
        cure = "pip install 'inventory-match[embedded]'"
        raise ConfigurationError(f"{error.name} is not installed; {cure}") from error
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("starting", total=None)

        def show(what: str, done: int, of: int) -> None:
            progress.update(bar, description=what, completed=done, total=of)

        return run(photos, seed, Product(), folder, show)


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return ", ".join(f"{name} {number}" for name, number in sorted(value.items())) or "–"
    return value
