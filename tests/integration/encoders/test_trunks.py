"""VGG, ResNet and Inception go the whole way as a person types it: train, build, activate, and a photo is matched through SQL.

From random weights and by a handful of rendered packs: this proves the wiring of each trunk and nothing about how well one
recognises. Hence the photo is a reference's own picture, which even a network that learned nothing finds again.
"""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from inventory_match import catalog_file, intake, pipeline
from inventory_match.bootstrap import App
from inventory_match.cli import main
from inventory_match.db import models
from inventory_match.domain.photos import ObjectRef, PhotoState, PhotoUploaded
from inventory_match.embedded.machine import Machine
from inventory_match.enrol import import_catalog
from inventory_match.rendering.catalog import write_catalog
from inventory_match.rendering.designs import product

from .conftest import rows

PACKS = [product(4117, index) for index in range(3)]
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


@pytest.fixture
def catalog_csv(served: App, tmp_path: Path) -> Path:
    """Three rendered packs of two pictures each, taken in by the encoder the database began with; a clerk's camera."""
    table = write_catalog(tmp_path, PACKS, references=2)
    assert import_catalog(served.studio, served.unit_of_work, catalog_file.read(table), strict=True).bad == []
    served.encoder_files.keep_active(served.unit_of_work)
    with served.unit_of_work() as session:
        session.add(models.Store(store="s1", name="Store 1"))
        session.flush()
        session.add(models.Location(store="s1", location="dock", name="Dock"))
        session.flush()
        session.add(models.Camera(camera="clerk", store="s1", location="dock", kind="product", key_pattern="{any}"))
    return table


class Ignored:
    """Satisfies `ports.Kicker`: the test is the worker."""

    def kick(self, photo_id: int) -> None:
        del photo_id


def photographed(app: App, picture: Path, name: str) -> PhotoState | None:
    """A photo from the bucket to its rest, seen as a worker sees it."""
    ref: ObjectRef = app.store.put(app.settings.bucket, f"{name}.jpg", picture.read_bytes())
    found = [PhotoUploaded(ref, datetime.now(UTC))]
    [photo] = intake.scan(found, app.unit_of_work, Ignored(), lambda _: None).registered
    eyes, rules = app.sight()
    return pipeline.process(photo, eyes, rules, app.patience, app.unit_of_work, datetime.now(UTC))


@pytest.mark.parametrize(("arch", "size"), [("vgg11", 32), ("resnet18", 32), ("inception_v3", 80)])
def test_from_random_weights_every_trunk_is_wired_from_training_to_the_match(
    served: App, catalog_csv: Path, machine: Machine, tmp_path: Path, arch: str, size: int
) -> None:
    """Wiring only: random weights, one epoch of six pictures."""
    environment = machine.environment() | {
        "INVENTORY_MATCH_DATABASE_URL": served.settings.database_url.get_secret_value(),
        "INVENTORY_MATCH_ENCODER_FILE": str(served.settings.encoder_file),
        "INVENTORY_MATCH_ENCODER_CACHE": str(served.settings.encoder_cache),
        "INVENTORY_MATCH_ENCODER_RUNTIME": "torch",  # the export for ONNX Runtime is slow for the deep ones
        "COLUMNS": "300",
    }

    def typed(*words: str | Path) -> str:
        result = CliRunner().invoke(main, [str(word) for word in words], env=environment)
        assert result.exit_code == 0, result.output
        return result.output

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
