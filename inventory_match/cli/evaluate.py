"""`inventory-match evaluate`: how well photos find their product, on a labelled set of the reader's own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inventory_match.bootstrap import App
from inventory_match.cli.evaluate_shelf import shelf
from inventory_match.cli.frame import say, table, with_app
from inventory_match.cli.parameters import new_file, picture
from inventory_match.cli.scratch import a_server, bars, encoder_to_measure, scratch_serving

if TYPE_CHECKING:
    from inventory_match.learning.breakdown import Category, Confusion
    from inventory_match.learning.evaluate import Serving
    from inventory_match.learning.figures import Figures
    from inventory_match.learning.report import Report

_File = click.Path(exists=True, dir_okay=False, path_type=Path)
_Folder = click.Path(exists=True, file_okay=False, path_type=Path)
CONFUSIONS_SHOWN = 10
SHEET_ROWS = 12


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The options of `retrieval`."""

    references: tuple[Path, ...]
    queries: tuple[Path, ...]
    images: tuple[Path, ...]
    per_product: int | None
    seed: int
    exclude_skus: Path | None
    new_skus: Path | None
    robustness: bool
    plots: Path | None
    sheet: Path | None
    out: Path | None
    compare: bool
    encoder: str | None
    encoders: tuple[str, ...]


@click.group()
def evaluate() -> None:
    """Measure what serves on labelled photos."""


evaluate.add_command(shelf)


@evaluate.command("retrieval")
@click.option(
    "--references",
    type=_File,
    required=True,
    multiple=True,
    help="CSV of the catalog: image, sku, perhaps x0,y0,x1,y1.",
)
@click.option(
    "--queries", type=_File, required=True, multiple=True, help="CSV of photos to find; without reference: unknown."
)
@click.option("--encoder", help="A file, or a name the database knows; default: the configured one.")
@click.option("--images", type=_Folder, multiple=True, help="Where photos lie that are not beside their CSV.")
@click.option("--per-product", type=click.IntRange(1), help="So many references a product, drawn at random.")
@click.option("--seed", default=0, show_default=True, help="Of what is drawn at random.")
@click.option("--exclude-skus", type=_File, help="Products, one a line, whose references are left out: unknown.")
@click.option("--new-skus", type=_File, help="Ask only for these; --per-product limits only them.")
@click.option("--robustness", is_flag=True, help="Also top1 on blurred, dark, turned, ... queries: six times as long.")
@click.option("--plots", type=click.Path(file_okay=False, path_type=Path), help="Folder for curves as PNG.")
@click.option("--sheet", type=picture, metavar="FILE", help="PNG of the most frequent confusions, in pictures.")
@click.option("--json", "out", type=new_file, metavar="FILE", help="Where to write the figures.")
@click.option("--compare", is_flag=True, help="Measure these ENCODERS, files or names, beside it.")
@click.argument("encoders", nargs=-1)
@with_app
def retrieval(app: App, /, **options: Any) -> None:
    """Figures of retrieval, through the decoder, encoder, SQL and decision that serve, in a scratch database.

    The database is made on the configured server and dropped afterwards; where none answers, one is started for the purpose.
    """
    chosen = _Chosen(**options)
    if chosen.compare != bool(chosen.encoders):
        raise click.UsageError("--compare and encoders go together: --compare a.safetensors b.safetensors")
    measured, *others = [encoder_to_measure(app, named) for named in (chosen.encoder, *chosen.encoders)]
    with a_server(app) as server:
        with scratch_serving(app, server, measured) as serving:
            report = _measure(serving, chosen, spoilt=chosen.robustness)
            limits = serving.rules.thresholds
            say(
                f"{serving.record.name} ({serving.record.sha256[:12]}), accept {limits.accept:.4f}, margin {limits.margin:.4f}"
            )
            _show(report)
            for path in _pictures(serving, report, chosen):
                say(f"written to {path}")
            found = report.as_json()
            compared = [(serving, report.figures)]
        for other in others:
            with scratch_serving(app, server, other) as serving:
                compared.append((serving, _measure(serving, chosen, spoilt=False).figures))
    if chosen.compare:
        _show_side_by_side(compared)
        found["compare"] = [_named(one) | asdict(seen) for one, seen in compared]
    if chosen.out is not None:
        chosen.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        say(f"written to {chosen.out}")


def _measure(serving: Serving, chosen: _Chosen, *, spoilt: bool) -> Report:
    from inventory_match.learning.report import evaluate as measure
    from inventory_match.learning.selection import Selection, read_several

    catalog, listed = (read_several(paths, chosen.images) for paths in (chosen.references, chosen.queries))
    selection = Selection(chosen.per_product, chosen.seed, chosen.exclude_skus, chosen.new_skus)
    references, queries = selection.of(catalog, listed)
    with bars() as bar:
        return measure(serving, references, queries, bar, spoil_seed=chosen.seed if spoilt else None)


def _show(report: Report) -> None:
    table("Retrieval", ["figure", "value"], [(key, _plain(value)) for key, value in asdict(report.figures).items()])
    if report.robustness is not None:
        clean = ("as they are", _plain(report.figures.top1))
        rows = [clean, *((name, _plain(top1)) for name, top1 in report.robustness.items())]
        table("Robustness", ["queries", "top1"], rows)
    if report.per_category:
        _table_of("Categories", report.per_category)
    if report.confusions:
        _table_of("Most confused", report.confusions[:CONFUSIONS_SHOWN])


def _table_of(title: str, rows: Sequence[Category] | Sequence[Confusion]) -> None:
    body = [asdict(row) for row in rows]
    table(title, list(body[0]), [[_plain(value) for value in row.values()] for row in body])


def _pictures(serving: Serving, report: Report, chosen: _Chosen) -> Iterator[Path]:
    """Writes those that were asked for."""
    if chosen.plots is not None:
        from inventory_match.learning.charts import write_charts

        yield from write_charts(chosen.plots, report.asked.answered, serving.rules.thresholds)
    if chosen.sheet is not None and report.confusions:
        from inventory_match.learning.contact_sheet import contact_sheet
        from inventory_match.learning.report import worst_mistakes

        contact_sheet(worst_mistakes(report, SHEET_ROWS), serving.decode).save(chosen.sheet)
        yield chosen.sheet


def _show_side_by_side(compared: Sequence[tuple[Serving, Figures]]) -> None:
    names = [serving.record.name for serving, _ in compared]
    columns = [asdict(seen) for _, seen in compared]
    rows = [[key, *(_plain(column[key]) for column in columns)] for key in columns[0]]
    table("Side by side", ["figure", *names], rows)


def _named(serving: Serving) -> dict[str, str]:
    return {"encoder": serving.record.name, "sha256": serving.record.sha256}


def _plain(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value
