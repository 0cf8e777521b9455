"""The photos a run learns from, those it is judged by, and those that answered, as CSVs that the other commands read.

Without them nobody could measure or calibrate on just the photos that a run has not learned, or fit a reduction on just those
that it has, because the split happens inside of it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from inventory_match.learning.labelled import Labelled
from inventory_match.learning.sources import Sources, Trial

_COLUMNS = ("image", "sku", "x0", "y0", "x1", "y1")


@dataclass(frozen=True, slots=True)
class Lists:
    """Of one validation set: the files of those that answer and of those that are asked."""

    references: Path
    queries: Path


def write_lists(sources: Sources, folder: Path) -> list[Lists]:
    """`learned.csv` of all photos with a label that may be learned from; in `judged-by` two CSVs for each validation set, named
    after it. The paths of their pictures are absolute."""
    judged_by = folder / "judged-by"
    judged_by.mkdir(parents=True, exist_ok=True)
    _write(folder / "learned.csv", (photo for pool in sources.pools for photo in pool.photos if photo.sku))
    return [_written(sources, trial, judged_by) for trial in sources.trials]


def _written(sources: Sources, trial: Trial, folder: Path) -> Lists:
    name = re.sub(r"\W+", "-", trial.name.partition(", ")[0].removesuffix(".csv"))
    lists = Lists(folder / f"{name}-references.csv", folder / f"{name}-queries.csv")
    _write(lists.references, (photo for number in trial.references for photo in sources.pools[number].photos))
    _write(lists.queries, trial.queries)
    return lists


def _write(path: Path, photos: Iterable[Labelled]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(_COLUMNS)
        for photo in photos:
            box = photo.row.box
            corners: tuple[object, ...] = ("",) * 4 if box is None else (box.x0, box.y0, box.x1, box.y1)
            rows.writerow(((photo.folder / photo.row.image).absolute(), photo.sku, *corners))
