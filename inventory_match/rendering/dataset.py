"""Labelled views of rendered packs, for training an encoder: `python -m inventory_match.rendering.dataset --out DIR`.

Each product gets `--views` pictures: a packshot or two on plain and mottled grounds, the rest cut out of shelf photos
under changing light, blur, perspective and noise, among random neighbours, some partly behind a shopper. Cuts are
tight boxes or whole slots, as a detector or a camera with fixed regions would cut. Writes `views.csv` (image,sku,
paths relative to it); skus carry the seed, so sets of several seeds can be joined. Never use the demo's seed
(`demo.day.SEED`) here: its products are meant to be unseen."""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from inventory_match.domain.photos import Box
from inventory_match.rendering.designs import PackDesign, product
from inventory_match.rendering.shelf import ShelfLayout, ShelfPhoto, Standing, shelf_photo
from inventory_match.rendering.studio import some_camera, some_light, some_paint, some_shopper, studio_view

LEAST_VISIBLE = 0.7
"""A pack covered more than this leaves open is not a fair view of its product."""


def write_views(folder: Path, seed: int, products: int, views: int, packshots: int = 2) -> Path:
    """Render `products` x `views` labelled pictures into `folder`; returns the path of the CSV."""
    draw = np.random.default_rng(seed)
    designs = [product(seed, index) for index in range(products)]
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "views.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("image", "sku"))
        taken: Counter[str] = Counter()
        for design, picture in _studio(designs, min(packshots, views), draw):
            rows.writerow(_save(folder, picture, design.sku, seed, taken, draw))
        for sku, picture in _field(designs, views, taken, draw):
            rows.writerow(_save(folder, picture, sku, seed, taken, draw))
    return table


def _save(
    folder: Path, picture: Image.Image, sku: str, seed: int, taken: Counter[str], draw: np.random.Generator
) -> tuple[str, str]:
    name = f"{sku}-{taken[sku]:02d}.jpg"
    taken[sku] += 1
    picture.save(folder / name, quality=int(draw.integers(72, 95)))
    return name, f"s{seed}-{sku}"


def _studio(
    designs: list[PackDesign], each: int, draw: np.random.Generator
) -> Iterator[tuple[PackDesign, Image.Image]]:
    for design in designs:
        for number in range(each):
            yield design, studio_view(design, draw, plain=number == 0)


def _field(
    designs: list[PackDesign], views: int, taken: Counter[str], draw: np.random.Generator
) -> Iterator[tuple[str, Image.Image]]:
    """Cuts from shelf photos until every product has its views; the neediest products are put on the shelf first."""
    while needy := [design for design in designs if taken[design.sku] < views]:
        rows, columns = int(draw.integers(2, 5)), int(draw.integers(6, 10))
        slots = rows * columns
        needy.sort(key=lambda design: taken[design.sku])
        chosen = needy[:slots]
        chosen += [designs[int(index)] for index in draw.integers(0, len(designs), slots - len(chosen))]
        order = draw.permutation(slots)
        contents = {int(slot): chosen[place] for place, slot in enumerate(order) if draw.random() > 0.08}
        layout = ShelfLayout(
            tuple(design.sku for design in chosen),
            rows,
            columns,
            wall=some_paint(draw, 120, 236),
            rail=some_paint(draw, 40, 230),
        )
        photo = shelf_photo(
            layout,
            contents,
            int(draw.integers(2**31)),
            camera=some_camera(draw),
            light=some_light(draw),
            occluder=some_shopper(draw) if draw.random() < 0.2 else None,
        )
        for standing in photo.standing:
            if standing.visible >= LEAST_VISIBLE and taken[standing.sku] < views:
                yield standing.sku, _cut(photo, standing, layout, draw)


def _cut(photo: ShelfPhoto, standing: Standing, layout: ShelfLayout, draw: np.random.Generator) -> Image.Image:
    """The pack's own box or, half the time, one as tall and wide as its slot; both a little off, as boxes are."""
    w, h = photo.image.size
    box, slot = standing.box, layout.slot(standing.slot)
    if draw.random() < 0.5:
        wide, high = max(slot.x1 - slot.x0, box.x1 - box.x0), max(slot.y1 - slot.y0, box.y1 - box.y0)
        mid = (box.x0 + box.x1) / 2
        box = Box(max(mid - wide / 2, 0), max(box.y1 - high, 0), min(mid + wide / 2, 1), box.y1)
    slack = draw.uniform(-0.05, 0.05, 4) * np.array([box.x1 - box.x0, box.y1 - box.y0] * 2)
    around = np.clip(np.array([box.x0, box.y0, box.x1, box.y1]) + slack, 0, 1)
    return photo.image.crop(Box(*around.tolist()).pixels(w, h))


def main(arguments: list[str] | None = None) -> None:
    """Command line of this module."""
    program = "python -m inventory_match.rendering.dataset"
    parser = argparse.ArgumentParser(prog=program, description="Render labelled views of packs.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write pictures and views.csv into")
    parser.add_argument("--products", type=int, default=150)
    parser.add_argument("--views", type=int, default=12, help="pictures a product")
    parser.add_argument("--packshots", type=int, default=2, help="how many of the views show the pack alone")
    parser.add_argument("--seed", type=int, default=1, help="not the demo's")
    chosen = parser.parse_args(arguments)
    table = write_views(chosen.out, chosen.seed, chosen.products, chosen.views, chosen.packshots)
    sys.stdout.write(f"{table}\n")


if __name__ == "__main__":
    main()
