"""Fine-tunes an encoder on labelled photos and writes the file that serving loads.

    python -m inventory_match.learning.train --train train.csv --val val.csv --weights start.pth --out new.safetensors

The trunk's features go through one linear map and a batch norm to the embedding; the loss is cross-entropy over cosines
between the L2-normalised embedding and one learned prototype a product, so that what is trained is the very similarity
that the database ranks by. The first half of the epochs runs on small pictures and only the last quarter on full-size
ones, which is much cheaper. What is kept is the moving average of the weights, after every epoch, so that a run cut
short is not lost. Everything random hangs on `--seed`. The batch norm is folded into the linear map on the way out, and
the prototypes are thrown away.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
import torch

from inventory_match.learning.augment import plain_view, training_view
from inventory_match.learning.data import PhotosInMemory
from inventory_match.learning.export import export
from inventory_match.learning.labelled import read_labelled
from inventory_match.learning.memory import keep_freed_memory
from inventory_match.learning.network import starting_point
from inventory_match.learning.recall import top1_by_nearest_neighbour, top1_by_prototype
from inventory_match.learning.recipe import Recipe
from inventory_match.learning.run import TrainingRun
from inventory_match.vision.weights import UNCALIBRATED, EncoderRecord, Preprocessing

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--train", "train_csv", required=True, type=_FILE, help="Columns image, sku, perhaps x0, y0, x1, y1.")
@click.option("--also", multiple=True, type=_FILE, help="More labelled photos to train on; repeatable.")
@click.option("--val", "val_csv", type=_FILE, help="Judged each epoch; at the end with --train as references.")
@click.option("--weights", type=_FILE, help="A torchvision state dict or an encoder file to start from.")
@click.option("--arch", default=Recipe.arch, show_default=True, help="Any torchvision classification model.")
@click.option("--epochs", default=Recipe.epochs, show_default=True)
@click.option("--size", default=Recipe.size, show_default=True, help="Side of the square picture, px.")
@click.option("--serve-size", type=int, help="Side the encoder serves at; default --size.")
@click.option("--rate", default=Recipe.rate, show_default=True, help="AdamW's for the trunk.")
@click.option("--seed", default=Recipe.seed, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--origin", default="unknown", help="Where the starting weights come from, for the record in the file.")
@click.option("--licence", default="unknown", help="Licence of the result, for the record in the file.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path))
def main(
    train_csv: Path,
    also: tuple[Path, ...],
    val_csv: Path | None,
    weights: Path | None,
    threads: int,
    origin: str,
    licence: str,
    out: Path,
    **recipe_fields: Any,
) -> None:
    """Fine-tune an encoder on labelled photos."""
    keep_freed_memory()
    recipe = Recipe(**recipe_fields)
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(threads)
    own = read_labelled(train_csv)
    photos = PhotosInMemory(
        [*own, *(photo for path in also for photo in read_labelled(path))], training_view(recipe.size)
    )
    val = PhotosInMemory(read_labelled(val_csv), plain_view(recipe.served), classes=photos.classes) if val_csv else None
    click.echo(f"{len(photos)} photos of {len(photos.classes)} products; {recipe}")
    run = TrainingRun(recipe, starting_point(recipe, weights, len(photos.classes)), photos)
    written = _train(run, recipe, val, out, record_of(recipe, name=out.stem, origin=origin, licence=licence))
    click.echo(f"{out}: {out.stat().st_size / 2**20:.1f} MiB, sha256 {written.sha256}")
    if val is not None:
        references = PhotosInMemory(own, plain_view(recipe.served), classes=photos.classes)
        top1 = top1_by_nearest_neighbour(run.averaged.embed, references, val)
        click.echo(f"val top-1, nearest neighbour among the photos of {train_csv.name}: {100 * top1:.1f} %")


def _train(
    run: TrainingRun, recipe: Recipe, val: PhotosInMemory | None, out: Path, record: EncoderRecord
) -> EncoderRecord:
    """All epochs, a line and a file after each; returns the record of the last file."""
    for number in range(recipe.epochs):
        started = time.monotonic()
        loss = run.epoch(number)
        said = f"epoch {number + 1}/{recipe.epochs} at {recipe.size_at(number)} px: loss {loss:.3f}"
        if val is not None:
            said += f", val by prototypes {100 * top1_by_prototype(run.averaged, val):.1f} %"
        written = export(run.averaged, record, out)
        click.echo(f"{said}, {time.monotonic() - started:.0f} s")
    return written


def record_of(recipe: Recipe, *, name: str, origin: str, licence: str) -> EncoderRecord:
    """What the exported file says about itself; `to_floats` is the preprocessing it states."""
    how = Preprocessing(size=recipe.served, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    return EncoderRecord(
        name, recipe.arch, recipe.dim, "cosine", how, "trained with the trunk", licence, origin, UNCALIBRATED
    )


if __name__ == "__main__":
    main()
