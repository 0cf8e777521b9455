"""VGG, ResNet and Inception go the whole way as a person types it: train, build, activate, and a photo is matched through SQL.

From random weights and by a handful of rendered packs: this proves the wiring of each trunk and nothing about how well one
recognises. Hence the photo is a reference's own picture, which even a network that learned nothing finds again.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from inventory_match.bootstrap import App
from inventory_match.domain.photos import PhotoState

from .conftest import Typed, photographed, rows

PRESET = """
batch = 6
[about]
name = "{arch}-of-chance"
[network]
arch = "{arch}"
weights = ""
dim = 8
size = {size}
[optimizer]
name = "sgd"
[[stage]]
epochs = 1
size = {size}
[[source]]
csv = "catalog.csv"
"""


@pytest.mark.parametrize(("arch", "size"), [("vgg11", 32), ("resnet18", 32), ("inception_v3", 80)])
def test_from_random_weights_every_trunk_is_wired_from_training_to_the_match(
    served: App, catalog_csv: Path, typed: Typed, tmp_path: Path, arch: str, size: int
) -> None:
    """Wiring only: random weights, one epoch of six pictures."""
    (tmp_path / "small.toml").write_text(PRESET.format(arch=arch, size=size), encoding="utf-8")
    trained = tmp_path / "trained.safetensors"
    alone = ("--device", "cpu", "--threads", "1", "--workers", "0")
    typed("train", tmp_path / "small.toml", "--data", tmp_path, "--out", trained, *alone)
    moved = json.loads((tmp_path / "trained.run" / "run.json").read_text())["parameters"]
    assert moved["moved"] == moved["of"] > 5_000_000, "the whole trunk learned"

    assert f"encoders activate {arch}-of-chance" in typed("encoders", "build", trained, "--here")
    typed("encoders", "activate", f"{arch}-of-chance")

    app = App(served.settings.model_copy(update={"accept_similarity": 0.9, "match_margin": 0.0}))
    app.__dict__["engine"] = served.engine
    with catalog_csv.open(newline="") as file:
        shown = {row["sku"]: tmp_path / row["image"] for row in csv.DictReader(file)}
    for sku, picture in shown.items():
        assert photographed(app, picture, f"{arch}-{sku}") is PhotoState.DONE
    seen = rows(
        app,
        "select g.sku, e.arch, e.state, vector_dims(g.embedding)::int, g.similarity from inventory_match.sighting g"
        " join inventory_match.encoder e on e.id = g.encoder_id order by g.id",
    )
    assert [row[:4] for row in seen] == [(sku, arch, "active", 8) for sku in shown]
    assert all(row[4] > 0.99 for row in seen)
