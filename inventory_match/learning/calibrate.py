"""Finds an encoder's thresholds from labelled photos and writes them into its record.

    python -m inventory_match.learning.calibrate --encoder new.safetensors --pair references.csv queries.csv

Each query is asked twice: with its product among the references, and with its product taken out, as if the shop had
never listed it. Of all pairs (accept, margin) on a grid, the one is chosen that matches most queries while what it
matches is right often enough, counting unlisted products as a given share of what a camera sees. Several `--pair`s (say
real photos and shelf crops) weigh the same, however many photos they have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from inventory_match.domain.errors import InvalidInput
from inventory_match.domain.matching import Thresholds
from inventory_match.learning.labelled import Labelled, read_labelled
from inventory_match.vision.encoder import TorchEncoder
from inventory_match.vision.images import decoder
from inventory_match.vision.weights import read_record, read_tensors, write

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inventory_match.ports import Embeddings

    Floats = NDArray[np.float64]

ACCEPTS = np.arange(0.30, 0.96, 0.01)
MARGINS = np.arange(0.0, 0.151, 0.01)


@dataclass(frozen=True, slots=True)
class Answers:
    """What the references said to n queries: similarity of the best product, its lead over the second, whether it was
    the right one; and similarity and lead again with the right product taken out (shape (n,) each)."""

    best: Floats
    lead: Floats
    right: NDArray[np.bool_]
    best_without: Floats
    lead_without: Floats


@dataclass(frozen=True, slots=True)
class Balance:
    """Shares, 0..1: of queries that are matched, of matches that are right, of unlisted products that are matched."""

    coverage: float
    precision: float
    fooled: float


def answers(references: Embeddings, owners: Sequence[str], queries: Embeddings, truth: Sequence[str]) -> Answers:
    """Cosines between normalised rows; a product's similarity is its best reference's, as in the database."""
    products = sorted(set(owners))
    if len(products) < 3 or not set(truth) <= set(products):
        raise InvalidInput("calibration needs at least 3 products, and references of every product that is asked for")
    owner, cosines = np.array(owners), (queries @ references.T).astype(np.float64)
    best = np.stack([cosines[:, owner == product].max(axis=1) for product in products], axis=1)
    asked = np.array([products.index(sku) for sku in truth])
    without = best.copy()
    without[np.arange(len(asked)), asked] = -1
    return Answers(*_lead(best), best.argmax(axis=1) == asked, *_lead(without))


def _lead(similarities: Floats) -> tuple[Floats, Floats]:
    ranked = np.sort(similarities, axis=1)
    return ranked[:, -1], ranked[:, -1] - ranked[:, -2]


def balance(groups: Sequence[Answers], thresholds: Thresholds, unknown_share: float) -> Balance:
    """How `thresholds` do on the groups, each of which weighs the same."""
    means = np.mean([_shares(group, thresholds) for group in groups], axis=0)
    right, wrong, fooled = (float(mean) for mean in means)
    matched = (1 - unknown_share) * (right + wrong) + unknown_share * fooled
    return Balance(right + wrong, (1 - unknown_share) * right / matched if matched else 1.0, fooled)


def _shares(group: Answers, thresholds: Thresholds) -> tuple[float, float, float]:
    matched = (group.best >= thresholds.accept) & (group.lead >= thresholds.margin)
    fooled = (group.best_without >= thresholds.accept) & (group.lead_without >= thresholds.margin)
    return float((matched & group.right).mean()), float((matched & ~group.right).mean()), float(fooled.mean())


def choose(groups: Sequence[Answers], precision: float, unknown_share: float) -> tuple[Thresholds, Balance]:
    """Most coverage at that precision; where no thresholds on the grid reach it, the most precise ones."""
    tried = [Thresholds(round(float(a), 4), round(float(m), 4)) for a in ACCEPTS for m in MARGINS]
    found = [(thresholds, balance(groups, thresholds, unknown_share)) for thresholds in tried]
    enough = [pair for pair in found if pair[1].precision >= precision]
    if enough:
        return max(enough, key=lambda pair: pair[1].coverage)
    return max(found, key=lambda pair: (pair[1].precision, pair[1].coverage))


def measure(encoder: TorchEncoder, references: Sequence[Labelled], queries: Sequence[Labelled]) -> Answers:
    """Decodes, embeds and compares; raises InvalidInput for a photo nobody can read."""
    known, asked = (encoder.embed([photo.pixels(decoder()) for photo in photos]) for photos in (references, queries))
    return answers(known, [photo.sku for photo in references], asked, [photo.sku for photo in queries])


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--encoder", "path", required=True, type=_FILE, help="The file to calibrate; its record is rewritten.")
@click.option("--pair", "pairs", type=(_FILE, _FILE), multiple=True, required=True, help="References and queries.")
@click.option("--precision", default=0.95, show_default=True, help="Least share of matches that are right.")
@click.option("--unknown-share", default=0.1, show_default=True, help="Share of unlisted products among what is seen.")
@click.option("--threads", default=0, show_default=True, help="0 leaves it to torch.")
def main(
    path: Path, pairs: tuple[tuple[Path, Path], ...], precision: float, unknown_share: float, threads: int
) -> None:
    """Choose accept and margin for an encoder and write them into its file."""
    record = read_record(path)
    encoder = TorchEncoder(record, threads=threads)
    groups = [measure(encoder, read_labelled(known), read_labelled(asked)) for known, asked in pairs]
    thresholds, _ = choose(groups, precision, unknown_share)
    for (_, asked), group in zip(pairs, groups, strict=True):
        seen = balance([group], thresholds, unknown_share)
        click.echo(
            f"{asked.name}: top-1 {group.right.mean():.1%}; matched {seen.coverage:.1%}, of these right "
            f"{seen.precision:.1%}, unlisted products matched {seen.fooled:.1%}"
        )
    written = write(path, replace(record, thresholds=thresholds), read_tensors(record))
    click.echo(f"{thresholds} written into {path}, sha256 {written.sha256}")


if __name__ == "__main__":
    main()
