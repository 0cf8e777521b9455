"""Fine-tunes an encoder on labelled photos and writes the file that serving loads.

    python -m inventory_match.learning.train --train train.csv --val val.csv --weights start.pth --out new.safetensors

The trunk's features go through one linear map and a batch norm to the embedding; the loss is cross-entropy over cosines
between the L2-normalised embedding and one learned prototype a product, so that what is trained is the very similarity
that the database ranks by. The first half of the epochs runs on small pictures and only the last quarter on full-size
ones: much cheaper, and it does not cost accuracy. What is kept is the moving average of the weights. Everything random
hangs on `--seed`. The batch norm is folded into the linear map on the way out, and the prototypes are thrown away.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

import click
import torch
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel
from torch.optim.swa_utils import get_ema_multi_avg_fn as ema
from torch.utils.data import DataLoader

from inventory_match.learning.augment import plain_view, to_floats, training_view
from inventory_match.learning.data import PhotosInMemory, read_csv
from inventory_match.learning.export import export
from inventory_match.learning.memory import keep_freed_memory
from inventory_match.learning.network import TrainingNetwork, starting_point
from inventory_match.learning.recall import top1_by_nearest_neighbour
from inventory_match.learning.recipe import Recipe
from inventory_match.vision.weights import UNCALIBRATED, EncoderRecord, Preprocessing


def train(
    recipe: Recipe, network: TrainingNetwork, photos: PhotosInMemory, val: PhotosInMemory | None
) -> TrainingNetwork:
    """Runs the recipe, prints a line an epoch, and returns the moving average of the network, in evaluation mode."""
    network.to(memory_format=torch.channels_last)
    average = AveragedModel(network, multi_avg_fn=ema(recipe.averaging), use_buffers=True)  # type: ignore[no-untyped-call] # torch does not type it
    optimiser = torch.optim.AdamW(
        [
            {"params": network.encoder.trunk.parameters(), "lr": recipe.rate},
            {"params": [*network.encoder.head.parameters(), *network.norm.parameters()], "lr": 4 * recipe.rate},
            {"params": [network.prototypes], "lr": 20 * recipe.rate, "weight_decay": 0.0},
        ],
        weight_decay=recipe.weight_decay,
    )
    steps = recipe.epochs * (len(photos) // recipe.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: recipe.rate_at(step / steps))
    for epoch in range(recipe.epochs):
        started = time.monotonic()
        photos.transform = training_view(recipe.size_at(epoch))
        loss = _epoch(recipe, network, average, optimiser, schedule, photos)
        said = f"epoch {epoch + 1}/{recipe.epochs} at {recipe.size_at(epoch)} px: loss {loss:.3f}"
        if val is not None:
            said += f", val by prototypes {100 * _accuracy(cast('TrainingNetwork', average.module), val):.1f} %"
        click.echo(f"{said}, {time.monotonic() - started:.0f} s")
    return cast("TrainingNetwork", average.module).eval()


def _epoch(
    recipe: Recipe,
    network: TrainingNetwork,
    average: AveragedModel,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LambdaLR,
    photos: PhotosInMemory,
) -> float:
    network.train()
    losses = []
    # One forked worker: it shares the decoded photos instead of copying them.
    loader = DataLoader(
        photos,
        recipe.batch,
        shuffle=True,
        drop_last=True,
        num_workers=1,
        multiprocessing_context="fork",
        prefetch_factor=4,
    )
    for batch, labels in loader:
        loss = functional.cross_entropy(
            recipe.scale * network(to_floats(batch)), labels, label_smoothing=recipe.smoothing
        )
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # torch does not type it
        optimiser.step()
        schedule.step()
        average.update_parameters(network)
        losses.append(loss.item())
    return sum(losses) / len(losses)


@torch.inference_mode()
def _accuracy(network: TrainingNetwork, photos: PhotosInMemory) -> float:
    network.eval()
    right = sum(
        int((network(to_floats(batch)).argmax(1) == labels).sum())
        for batch, labels in DataLoader(photos, batch_size=64)
    )
    return right / len(photos)


def record_of(recipe: Recipe, *, name: str, origin: str, licence: str) -> EncoderRecord:
    """What the exported file says about itself; `to_floats` is the preprocessing it states."""
    how = Preprocessing(size=recipe.size, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    return EncoderRecord(
        name, recipe.arch, recipe.dim, "cosine", how, "trained with the trunk", licence, origin, UNCALIBRATED
    )


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--train", "train_csv", required=True, type=_FILE, help="Columns image, sku, perhaps x0, y0, x1, y1.")
@click.option("--also", multiple=True, type=_FILE, help="More labelled photos to train on; repeatable.")
@click.option("--val", "val_csv", type=_FILE, help="Judged each epoch; at the end with --train as references.")
@click.option("--weights", type=_FILE, help="A torchvision state dict or an encoder file to start from.")
@click.option("--arch", default=Recipe.arch, show_default=True, help="Any torchvision classification model.")
@click.option("--epochs", default=Recipe.epochs, show_default=True)
@click.option("--size", default=Recipe.size, show_default=True, help="Side of the square picture, px.")
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
    own = read_csv(train_csv)
    photos = PhotosInMemory([*own, *(photo for path in also for photo in read_csv(path))], training_view(recipe.size))
    val = PhotosInMemory(read_csv(val_csv), plain_view(recipe.size), classes=photos.classes) if val_csv else None
    click.echo(f"{len(photos)} photos of {len(photos.classes)} products; {recipe}")
    network = train(recipe, starting_point(recipe, weights, len(photos.classes)), photos, val)
    record = export(network, record_of(recipe, name=out.stem, origin=origin, licence=licence), out)
    click.echo(f"{out}: {out.stat().st_size / 2**20:.1f} MiB, sha256 {record.sha256}")
    if val is not None:
        references = PhotosInMemory(own, plain_view(recipe.size), classes=photos.classes)
        top1 = top1_by_nearest_neighbour(network.embed, references, val)
        click.echo(f"val top-1, nearest neighbour among the photos of {train_csv.name}: {100 * top1:.1f} %")


if __name__ == "__main__":
    main()
