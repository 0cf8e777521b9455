"""Tables for `evaluate shelf` from a set with boxes: the photos a list names, and a few references a product from the others.

python tests/benchmarks/shelf_lists.py household-products tests/benchmarks/household-validation.txt OUT --seed 0
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

Row = dict[str, str]
_SMALLEST = 48.0
"""Px: a shorter side below this shows too little of a product to know it by."""


def _shorter(row: Row) -> float:
    return min(float(row["x1"]) - float(row["x0"]), float(row["y1"]) - float(row["y0"]))


def references(rows: list[Row], images: Path, each: int, seed: int) -> list[Row]:
    """`each` boxes of each product, drawn by `seed`, with images as full paths."""
    of: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if _shorter(row) >= _SMALLEST:
            of[row["sku"]].append(row | {"image": str((images / row["image"]).resolve())})
    draw = np.random.default_rng(seed)
    return [of[sku][int(i)] for sku in sorted(of) for i in draw.permutation(len(of[sku]))[:each]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="boxes.csv and images/")
    parser.add_argument("list", type=Path, help="names of photos, one a line")
    parser.add_argument("out", type=Path)
    parser.add_argument("--each", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    names = set(asked.list.read_text().split())
    with (asked.folder / "boxes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    listed = [row for row in rows if row["image"] in names]
    others = [row for row in rows if row["image"] not in names]
    asked.out.mkdir(parents=True, exist_ok=True)
    tables = {"boxes": listed, "references": references(others, asked.folder / "images", asked.each, asked.seed)}
    for name, table in tables.items():
        with (asked.out / f"{name}.csv").open("w", newline="") as file:
            written = csv.DictWriter(file, ["image", "sku", "x0", "y0", "x1", "y1"], extrasaction="ignore")
            written.writeheader()
            written.writerows(table)


if __name__ == "__main__":
    main()
