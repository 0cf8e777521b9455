"""`inventory-match encoders reduce`: an encoder's vectors in fewer dimensions, as a new encoder file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from inventory_match.bootstrap import App
from inventory_match.cli.frame import problems, say, with_app
from inventory_match.vision.weights import read_record

_File = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("encoder", type=_File)
@click.option("--method", type=click.Choice(["pca", "whiten", "lda"]), required=True, help="What to keep; see above.")
@click.option("--dim", type=click.IntRange(1, 4000), required=True, help="Dimensions to keep.")
@click.option(
    "--references",
    type=_File,
    multiple=True,
    required=True,
    help="CSV the map is fitted on: image, sku, perhaps a box; repeatable. A training run lists its own in learned.csv.",
)
@click.option("--metric", type=click.Choice(["cosine", "euclidean"]), help="How to compare; default: as before.")
@click.option(
    "--shrinkage",
    type=click.FloatRange(0, 1, min_open=True),
    help="Of lda: how far the spread within products is taken for a ball; default: as their statistics ask.",
)
@click.option("--name", help="What the encoder calls itself; default: the name of ENCODER, method and dimensions.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file to write.")
@with_app
def reduce(
    app: App,
    encoder: Path,
    method: Literal["pca", "whiten", "lda"],
    dim: int,
    references: tuple[Path, ...],
    metric: Literal["cosine", "euclidean"] | None,
    shrinkage: float | None,
    name: str | None,
    out: Path,
) -> None:
    """Write ENCODER with fewer dimensions: less to store and to search through.

    `pca` keeps what varies most, `whiten` gives every direction kept the same weight, `lda` keeps what tells the products
    of the references apart (at most one dimension fewer than there are products). Calibrate the result before serving it.
    """
    from inventory_match.learning.labelled import read_labelled
    from inventory_match.learning.reduction import Reduction
    from inventory_match.learning.reduction import reduce as write

    record, photos = read_record(encoder), [photo for table in references for photo in read_labelled(table)]
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=problems) as progress:
        task = progress.add_task("references", total=len(photos))
        made = write(
            record,
            out,
            photos,
            how=Reduction(method, dim, shrinkage),
            metric=metric or record.metric,
            decode=app.reference_decoder,
            progress=lambda done: progress.advance(task, done),
            name=name,
        )
    say(f"{out}: {made.name}, {made.metric}, {made.dim} dimensions instead of {record.dim}, sha256 {made.sha256}")
    say(f"now: inventory-match calibrate, then inventory-match encoders build {out}")
