"""A training run of seconds: a tiny network, and pictures of three colours drawn here."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from click.testing import CliRunner, Result
from PIL import Image

from inventory_match.cli.train import train
from inventory_match.learning.preset import Preset
from inventory_match.learning.preset_file import read_preset

ARCH = "shufflenet_v2_x0_5"
BASE = "[[stage]]\nepochs = 1\nsize = 32\n[[source]]\ncsv = 'photos.csv'\n"
COLOURS = {"cherry": (200, 30, 40), "leaf": (40, 170, 50), "sea": (30, 60, 190)}
PRESET = f"""
batch = 8
averaging = 0.9
[network]
arch = "{ARCH}"
weights = ""
dim = 16
size = 32
[[stage]]
epochs = 2
size = 32
[[stage]]
epochs = 1
size = 48
[[source]]
csv = "photos.csv"
hold_out = 0.2
"""


def write_photos(folder: Path, each: int, skus: Sequence[str] = tuple(COLOURS)) -> Path:
    """A CSV of `each` pictures a sku: its colour with a random mark."""
    draw = np.random.default_rng(3)
    table = folder / "photos.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("image", "sku"))
        for sku in skus:
            for number in range(each):
                image = Image.new("RGB", (48, 40), COLOURS[sku])
                x, y = (int(v) for v in draw.integers(0, 30, 2))
                image.paste((250, 250, 250), (x, y, x + 8, y + 8))
                image.save(folder / f"{sku}-{number}.png")
                rows.writerow((f"{sku}-{number}.png", sku))
    return table


def arguments(preset: Path, out: str, *more: str) -> list[str]:
    folder = preset.parent
    return [str(preset), "--data", str(folder), "--out", str(folder / out), "--threads", "1", "--device", "cpu", *more]


def run(preset: Path, out: str, *more: str) -> Result:
    return CliRunner().invoke(train, arguments(preset, out, *more))


def changed(folder: Path, *changes: str, text: str = BASE) -> Preset:
    path = folder / "changed.toml"
    path.write_text(text, encoding="utf-8")
    return read_preset(path, changes)
