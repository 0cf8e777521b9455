"""`inventory-match calibrate`: the thresholds of an encoder, from labelled photos and the precision that is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inventory_match.bootstrap import App
from inventory_match.cli.frame import problems, say, table, with_app
from inventory_match.cli.parameters import new_file, picture
from inventory_match.cli.scratch import a_server, bars, encoder_to_measure, scratch_serving
from inventory_match.db import catalog

if TYPE_CHECKING:
    from inventory_match.cli.scratch import Measured
    from inventory_match.domain.matching import Thresholds
    from inventory_match.learning.calibrate import Answers, Fit

_File = click.Path(exists=True, dir_okay=False, path_type=Path)
_Folder = click.Path(exists=True, file_okay=False, path_type=Path)
NOT_REACHED = 3
"""Exit code where no thresholds hold the wanted precision: the nearest are stored, and whoever relies on it must look."""


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The options of `calibrate`."""

    encoder: str | None
    references: tuple[Path, ...]
    queries: tuple[Path, ...]
    pairs: tuple[tuple[Path, Path], ...]
    images: tuple[Path, ...]
    per_product: int | None
    precision: float
    unlisted: float
    folds: int
    seed: int
    out: Path | None
    plot: Path | None
    dry_run: bool

    @property
    def sets(self) -> list[tuple[tuple[Path, ...], tuple[Path, ...]]]:
        """(references, queries) of each set of photos; the sets weigh the same."""
        if bool(self.references) != bool(self.queries) or not (self.references or self.pairs):
            raise click.UsageError("give --references and --queries, or --pair REFERENCES QUERIES, or both")
        own = [(self.references, self.queries)] if self.references else []
        return [*own, *(((known,), (asked,)) for known, asked in self.pairs)]


@click.command()
@click.option("--encoder", help="A file, or a name the database knows; default: the configured one.")
@click.option("--references", type=_File, multiple=True, help="CSV of the catalog: image, sku, perhaps x0,y0,x1,y1.")
@click.option("--queries", type=_File, multiple=True, help="CSV of photos as cameras take them, bad ones too.")
@click.option("--pair", "pairs", type=(_File, _File), multiple=True, help="Another set: references and queries.")
@click.option("--images", type=_Folder, multiple=True, help="Where photos lie that are not beside their CSV.")
@click.option("--per-product", type=click.IntRange(1), help="So many references a product, drawn at random.")
@click.option("--precision", default=0.99, show_default=True, type=click.FloatRange(0.5, 1, max_open=True))
@click.option(
    "--unlisted", default=0.1, show_default=True, type=click.FloatRange(0, 1, max_open=True),
    help="Share of products nobody listed among what a camera sees.",
)  # fmt: skip
@click.option(
    "--folds", default=5, show_default=True, type=click.IntRange(2), help="Parts that products are dealt into."
)
@click.option("--seed", default=0, show_default=True, help="Of the folds, and of references drawn at random.")
@click.option("--out", type=new_file, metavar="FILE", help="Write an encoder file that carries the thresholds.")
@click.option("--plot", type=picture, metavar="FILE", help="PNG of the coverage curve.")
@click.option("--dry-run", is_flag=True, help="Only print.")
@with_app
def calibrate(app: App, /, **options: Any) -> None:
    """Choose accept and margin for an encoder and store them with it: in the database, and in a file with --out.

    The promise is made on products held out of the choice. Exit code 3: nothing holds the wanted precision, the nearest is
    stored.
    """
    from inventory_match.learning.calibrate import fit
    from inventory_match.learning.coverage import draw_coverage, percent, told

    chosen = _Chosen(**options)
    sets, measured = chosen.sets, encoder_to_measure(app, chosen.encoder)
    if not (measured.registered or chosen.out or chosen.dry_run):
        hint = "give --out FILE for a file that carries the thresholds, or --dry-run"
        raise click.UsageError(f"the database does not know the encoder {measured.record.name}: {hint}")
    groups = [_answers(app, measured, chosen, *one) for one in sets]
    fitted = cache(partial(fit, groups, unlisted=chosen.unlisted, folds=chosen.folds, seed=chosen.seed))
    with problems.status("choosing thresholds", spinner="line"):
        found, curve = fitted(chosen.precision), told(chosen.precision, fitted)
    _show(curve, found, sum(map(len, groups)))
    if not chosen.dry_run:
        _store(app, measured, found.thresholds, chosen.out)
    if chosen.plot is not None:
        draw_coverage(chosen.plot, found, fitted)
        say(f"written to {chosen.plot}")
    if found.matches < found.enough:
        few = (
            f"warning: {found.matches} held-out photos are matched; from {found.enough} on, one mistake would show that"
        )
        problems.print(f"{few} {percent(chosen.precision)} does not hold", style="yellow", markup=False, soft_wrap=True)
    if not found.reached:
        complaint = (
            f"a precision of {percent(chosen.precision)} is not reached on held-out products: {found.held_out.precision:.1%} is"
            " the nearest there is; give more labelled photos, more references a product, or a lower --precision"
        )
        problems.print(complaint, style="red", highlight=False, soft_wrap=True)
        raise SystemExit(NOT_REACHED)


def _answers(
    app: App, measured: Measured, chosen: _Chosen, known: tuple[Path, ...], asked: tuple[Path, ...]
) -> Answers:
    from inventory_match.learning.coverage import ask_for_thresholds
    from inventory_match.learning.selection import Selection, read_several

    photos = read_several(known, chosen.images), read_several(asked, chosen.images)
    references, queries = Selection(chosen.per_product, chosen.seed).of(*photos)
    with a_server(app) as server, scratch_serving(app, server, measured) as serving, bars() as bar:
        return ask_for_thresholds(serving, references, queries, bar)


def _show(fits: Sequence[Fit], found: Fit, photos: int) -> None:
    from inventory_match.learning.coverage import percent

    columns = "wanted", "accept", "margin", "decided", "to people", "wrong", "precision held out", "on its own photos"
    rows = []
    for one in fits:
        told = one.held_out
        shares = [f"{share:.1%}" for share in (told.decided, told.to_people, told.mistaken)]
        held = f"{told.precision:.2%}" + ("" if one.reached else " (not reached)")
        rows.append(
            (
                f"{percent(one.wanted)}{' *' if one is found else ''}",
                one.thresholds.accept,
                one.thresholds.margin,
                *shares,
                held,
                f"{one.seen.precision:.2%}",
            )
        )
    table(f"Coverage, from {photos} photos", columns, rows)
    say(
        "decided, to people, wrong: shares of all a camera sees, as measured on products held out of the choice of thresholds;"
        " the last column is what the same photos say that the thresholds were chosen on"
    )
    say(f"accept {found.thresholds.accept:.4f}, margin {found.thresholds.margin:.4f}")


def _store(app: App, measured: Measured, thresholds: Thresholds, out: Path | None) -> None:
    if measured.registered:
        with app.unit_of_work() as session:
            row = catalog.encoder_named(session, measured.record.sha256)
            catalog.set_thresholds(session, row, thresholds)
        say(f"stored with the encoder {measured.record.name} in the database; the next photo is decided with them")
    if out is not None:
        from inventory_match.vision.weights import read_tensors, write

        tensors = read_tensors(measured.record)
        written = write(out, replace(measured.record, thresholds=thresholds), tensors)
        say(f"written to {out}, sha256 {written.sha256}")
