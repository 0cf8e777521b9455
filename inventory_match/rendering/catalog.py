"""Reference photos and the `catalog.csv` that `inventory-match catalog import` reads."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from inventory_match.rendering.designs import PackDesign
from inventory_match.rendering.studio import studio_view

COLUMNS = ("sku", "name", "category", "gtin", "description", "image")


def write_catalog(folder: Path, products: Sequence[PackDesign], *, references: int = 3) -> Path:
    """Write `references` photos a product (a straight packshot, then turned ones) and the CSV; returns the CSV's path.

    One row a photo; image paths are relative to the CSV.
    """
    photos = folder / "packshots"
    photos.mkdir(parents=True, exist_ok=True)
    table = folder / "catalog.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for design in products:
            draw = np.random.default_rng(design.seed)
            for number in range(references):
                image = f"{photos.name}/{design.sku}-{number + 1}.jpg"
                studio_view(design, draw, plain=number == 0).save(folder / image, quality=90)
                rows.writerow((design.sku, design.name, design.category, design.gtin, design.description, image))
    return table
