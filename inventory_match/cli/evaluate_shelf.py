"""`inventory-match evaluate shelf`: how right the counts of shelf photos are, on a labelled set of the reader's own."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import structlog

from inventory_match.bootstrap import App
from inventory_match.cli.frame import problems, say, table, with_app
from inventory_match.cli.parameters import new_file
from inventory_match.cli.scratch import Measured, a_server, bars, encoder_to_measure, scratch_app, serving
from inventory_match.domain.errors import InvalidInput

if TYPE_CHECKING:
    from inventory_match.learning.shelf_figures import PhotoRead, ShelfFigures
    from inventory_match.learning.shelf_truth import ShelfPhoto

_File = click.Path(exists=True, dir_okay=False, path_type=Path)
_Folder = click.Path(exists=True, file_okay=False, path_type=Path)
WRONG_SHOWN = 20


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The options of `shelf`."""

    references: tuple[Path, ...]
    photos: Path
    counts: Path | None
    boxes: Path | None
    exhaustive: bool
    encoder: str | None
    draw: Path | None
    out: Path | None


@click.command("shelf")
@click.option(
    "--references",
    type=_File,
    required=True,
    multiple=True,
    help="CSV of the catalog: image, sku, perhaps x0,y0,x1,y1; one reference a product may be all there is.",
)
@click.option("--photos", type=_Folder, required=True, help="Where the shelf photos lie.")
@click.option("--counts", type=_File, help='JSON: {"photo.jpg": {"sku": facings}}.')
@click.option("--boxes", type=_File, help="CSV: image, sku, x0, y0, x1, y1, in pixels of the photo.")
@click.option("--exhaustive", is_flag=True, help="Every product of the photos has its box: ap50 means something.")
@click.option("--encoder", help="A file, or a name the database knows; default: the configured one.")
@click.option("--draw", type=click.Path(file_okay=False, path_type=Path), help="Folder for the photos, annotated.")
@click.option("--json", "out", type=new_file, metavar="FILE", help="Where to write the figures.")
@with_app
def shelf(app: App, /, **options: Any) -> None:
    """Figures of counting, through the decoder, finder, encoder, SQL, decision and ledger that serve, in a scratch database.

    Each photo is looked at by a camera of its own, so that none helps another. Photos that neither --counts nor --boxes names
    are left alone. The database is made on the configured server and dropped afterwards; where none answers, one is started.
    """
    from inventory_match.learning.shelf_truth import read_photos

    chosen = _Chosen(**options)
    if chosen.exhaustive and chosen.boxes is None:
        raise click.UsageError("--exhaustive says something of --boxes: give them too")
    listed = read_photos(chosen.photos, chosen.counts, chosen.boxes)
    measured = encoder_to_measure(app, chosen.encoder)
    with a_server(app) as server, scratch_app(app, server, measured) as scratch, _only_warnings():
        found = _measure(scratch, measured, chosen, listed)
    if chosen.out is not None:
        chosen.out.write_text(json.dumps(asdict(found), indent=2) + "\n", encoding="utf-8")
        say(f"written to {chosen.out}")


def _measure(scratch: App, measured: Measured, chosen: _Chosen, listed: Sequence[ShelfPhoto]) -> ShelfFigures:
    from inventory_match.learning.evaluate import enrol
    from inventory_match.learning.selection import read_several
    from inventory_match.learning.shelf_figures import figures
    from inventory_match.learning.shelf_run import Listening, Stand, read_shelves
    from inventory_match.vision.far_views import FarViews
    from inventory_match.vision.prints import KnownPrints

    references = read_several(chosen.references, [])
    skus = {one.sku for one in references}
    _tell_unknown(listed, skus)
    with bars() as bar:
        enrol(serving(scratch, measured), references, bar("references", len(references)))
        scratch.finder = finder = Listening(scratch.finder)
        # No bucket here: the pictures of references come from where their rows say.
        known = {one.source: one for one in references}
        scratch.prints = KnownPrints(lambda ref: known[ref.key].pixels(scratch.reference_decoder))
        scratch.far_views = FarViews(lambda ref: known[ref.key].pixels(scratch.reference_decoder))
        eyes, rules = scratch.sight()
        stand = Stand(scratch.unit_of_work, eyes, replace(rules, thresholds=measured.thresholds), finder)
        read, done = [], bar("photos", len(listed))
        for photo_id, one in read_shelves(stand, chosen.photos, listed):
            read.append(one)
            if chosen.draw is not None:
                _draw(scratch, chosen.photos, chosen.draw, photo_id, one)
            done(1)
    found = figures(read, skus, exhaustive=chosen.exhaustive)
    limits = measured.thresholds
    say(
        f"{measured.record.name} ({measured.record.sha256[:12]}), accept {limits.accept:.4f}, margin {limits.margin:.4f}"
    )
    _show(found, read)
    return found


def _tell_unknown(listed: Sequence[ShelfPhoto], skus: set[str]) -> None:
    """Products that nothing can recognise: they count as missed, which may be meant, or a misspelt name."""
    named = {sku for one in listed for sku in one.counts or {}}
    named |= {box.row.sku for one in listed for box in one.boxes or ()}
    if not named & skus:
        cure = "spell skus alike in all files"
        raise InvalidInput("none of the products in counts and boxes has a reference", cure=cure)
    if strange := sorted(named - skus):
        shown = ", ".join(strange[:5]) + (" ..." if len(strange) > 5 else "")
        problems.print(f"{len(strange)} products have no reference, so no photo can count them: {shown}", markup=False)


def _draw(scratch: App, photos: Path, folder: Path, photo_id: int, one: PhotoRead) -> None:
    """The annotated photo, under the photo's own name."""
    from inventory_match.annotated import annotated_photo
    from inventory_match.learning.shelf_run import PhotoFolder

    folder.mkdir(parents=True, exist_ok=True)
    with scratch.unit_of_work() as session:
        drawn = annotated_photo(session, PhotoFolder(photos), photo_id, one.photo)
    drawn.save(folder / f"{one.photo.replace('/', '_')}.png")


def _show(found: ShelfFigures, read: Sequence[PhotoRead]) -> None:
    rows = [(key, _plain(value)) for key, value in asdict(found).items()]
    table("Shelf", ["figure", "value"], rows)
    wrong = [one for one in read if one.wrong or one.cause]
    body = [(one.photo, one.state, one.cause, _differences(one)) for one in wrong[:WRONG_SHOWN]]
    if body:
        title = f"Not right: {len(wrong)} of {len(read)} photos"
        table(title, ["photo", "state", "cause", "sku: true, counted"], body)


def _differences(one: PhotoRead) -> str:
    return "; ".join(f"{sku}: {true}, {counted}" for sku, (true, counted) in one.wrong.items())


def _plain(value: float | None) -> float | None:
    return round(value, 4) if isinstance(value, float) else value


@contextmanager
def _only_warnings() -> Iterator[None]:
    """A worker tells of each stage of a photo; here a bar does."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        yield
    finally:
        structlog.configure(**before)
