"""Photos of dense rendered shelves with their truth, for `evaluate shelf`: products no detector was taught with.

python tests/benchmarks/rendered_shelves.py OUT --photos 6
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np

from inventory_match.rendering.catalog import write_catalog
from inventory_match.rendering.designs import PackDesign, product
from inventory_match.rendering.shelf import ShelfLayout, ShelfPhoto, shelf_photo
from inventory_match.rendering.studio import some_light

_VOIDS = 0.12
_PRODUCTS = 24
"""A catalog of so many; each photo shows about half of them."""
_SEEN = 0.5
"""A pack of which less can be seen is no facing."""


def _contents(products: list[PackDesign], draw: np.random.Generator, rows: int, columns: int) -> dict[int, PackDesign]:
    """Slots filled with runs of one to six equal packs, some slots empty."""
    chosen: list[PackDesign] = []
    while len(chosen) < rows * columns:
        chosen += [products[int(draw.integers(len(products)))]] * int(draw.integers(1, 7))
    return {slot: chosen[slot] for slot in range(rows * columns) if draw.random() >= _VOIDS}


def draw_photo(products: list[PackDesign], seed: int, rows: int, columns: int, size: tuple[int, int]) -> ShelfPhoto:
    draw = np.random.default_rng(seed)
    contents = _contents(products, draw, rows, columns)
    labels = tuple(contents[slot].sku if slot in contents else "" for slot in range(rows * columns))
    return shelf_photo(ShelfLayout(labels, rows, columns), contents, seed, light=some_light(draw), size=size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--photos", type=int, default=6)
    parser.add_argument("--seed", type=int, default=9001)
    parser.add_argument("--rows", type=int, default=5)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--size", type=int, nargs=2, default=(1920, 1080))
    asked = parser.parse_args()
    products = [product(asked.seed, number) for number in range(_PRODUCTS)]
    write_catalog(asked.out, products, references=1)
    counts: dict[str, dict[str, int]] = {}
    rows: list[tuple[str | float, ...]] = []
    width, height = asked.size
    for number in range(asked.photos):
        name = f"shelf-{number:02d}.jpg"
        photo = draw_photo(products, asked.seed + number, asked.rows, asked.columns, (width, height))
        photo.image.save(asked.out / name, quality=88)
        seen = [one for one in photo.standing if one.visible >= _SEEN]
        counts[name] = dict(Counter(one.sku for one in seen))
        corners = [
            (one.sku, one.box.x0 * width, one.box.y0 * height, one.box.x1 * width, one.box.y1 * height) for one in seen
        ]
        rows += [(name, *one) for one in corners]
    (asked.out / "counts.json").write_text(json.dumps(counts, indent=1))
    with (asked.out / "boxes.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "sku", "x0", "y0", "x1", "y1"), *rows])


if __name__ == "__main__":
    main()
