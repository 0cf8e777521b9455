"""A catalog of plain colours on the machine's services, and tiny encoders of random weights to switch between."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image as Pillow
from sqlalchemy import text
from sqlalchemy.orm import Session

from inventory_match import catalog_file, intake, pipeline, reembed
from inventory_match.bootstrap import App
from inventory_match.cli import main
from inventory_match.db import catalog, models
from inventory_match.db.catalog import Encoder, switching
from inventory_match.db.catalog.switching import Switched
from inventory_match.domain.photos import ObjectRef, PhotoState, PhotoUploaded
from inventory_match.embedded.machine import Machine
from inventory_match.enrol import import_catalog
from inventory_match.rendering.catalog import write_catalog
from inventory_match.rendering.designs import product
from inventory_match.vision.assembly import assemble
from inventory_match.vision.weights import EncoderRecord, read_tensors, write

ARCH = "shufflenet_v2_x0_5"
"""The quickest of torchvision's trunks."""
MakeEncoder = Callable[..., EncoderRecord]
Typed = Callable[..., str]
PACKS = [product(4117, index) for index in range(3)]


def tiny(folder: Path, dim: int = 8, metric: Literal["cosine", "euclidean"] = "cosine", seed: int = 0) -> EncoderRecord:
    """An encoder file that works, quickly: random weights, small pictures."""
    drawn = assemble(folder / "drawn.safetensors", ARCH, weights=None, dim=dim, seed=seed)
    name = f"tiny-{dim}-{metric}-{seed}"
    small = replace(drawn.preprocessing, size=32, crop=None)
    record = replace(drawn, name=name, metric=metric, preprocessing=small)
    tensors = dict(read_tensors(drawn))
    if metric == "euclidean":  # what random weights make of pictures lies close together, and here lengths count
        tensors |= {key: tensors[key] * 1000 for key in ("head.weight", "head.bias")}
    return write(folder / f"{name}.safetensors", record, tensors)


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> MakeEncoder:
    """`encoder(dim=8, metric="cosine", seed=0)`, each made once."""
    folder, made = tmp_path_factory.mktemp("encoders"), dict[str, EncoderRecord]()

    def make(**how: Any) -> EncoderRecord:
        if str(how) not in made:
            made[str(how)] = tiny(folder, **how)
        return made[str(how)]

    return make


@pytest.fixture
def served(app: App, encoder: MakeEncoder, tmp_path: Path) -> App:
    """A database that began with `tiny-8-cosine-0`, and a rate without bound."""
    more: dict[str, Any] = {
        "encoder_file": encoder().path,
        "encoder_cache": tmp_path / "cache",
        "embed_rate": 0.0,
        "torch_threads": 1,
    }
    more["encoder_runtime"] = "torch"  # others are made ready for seconds first
    made = App(app.settings.model_copy(update=more))
    made.__dict__["engine"] = app.engine
    return made


def take_in(app: App, folder: Path, count: int, first: int = 0) -> list[str]:
    """So many products of one reference each, every one of another colour; returns their skus."""
    skus = [f"p{number:03}" for number in range(first, first + count)]
    for sku, seed in zip(skus, range(first, first + count), strict=True):
        colour = tuple(int(value) for value in np.random.default_rng(seed).integers(0, 256, 3))
        Pillow.new("RGB", (24, 24), colour).save(folder / f"{sku}.png")
    (folder / "catalog.csv").write_text("sku,image\n" + "".join(f"{sku},{sku}.png\n" for sku in skus), encoding="utf-8")
    done = import_catalog(app.studio, app.unit_of_work, catalog_file.read(folder / "catalog.csv"), strict=True)
    assert done.bad == []
    app.encoder_files.keep_active(app.unit_of_work)
    return skus


def embed_all(app: App, record: EncoderRecord) -> Encoder:
    """Builds an encoder in this process."""
    begun = reembed.begin(app.workshop, app.unit_of_work, record)
    while reembed.step(app.workshop, app.unit_of_work, begun.id) is not None:
        pass
    with app.unit_of_work() as session:
        return catalog.encoder_named(session, record.sha256)


def go_back(session: Session) -> Switched:
    """As `encoders rollback` does."""
    return switching.activate(session, switching.previous(session))


def rows(app: App, sql: str, **values: Any) -> list[tuple[Any, ...]]:
    with app.unit_of_work() as session:
        return [tuple(row) for row in session.execute(text(sql), values)]


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Waits, at most ten seconds, for something that other threads do."""

    def wait(true: Callable[[], bool]) -> None:
        ends = time.monotonic() + 10
        while not true():
            assert time.monotonic() < ends, "it did not happen within ten seconds"
            time.sleep(0.01)

    return wait


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

    def waiting(self) -> int:
        return 0


def photographed(app: App, picture: Path, name: str) -> PhotoState | None:
    """A photo from the bucket to its rest, seen as a worker sees it."""
    ref: ObjectRef = app.store.put(app.settings.bucket, f"{name}.jpg", picture.read_bytes())
    found = [PhotoUploaded(ref, datetime.now(UTC))]
    [photo] = intake.scan(found, app.unit_of_work, Ignored(), lambda _: None).registered
    eyes, rules = app.sight()
    return pipeline.process(photo, eyes, rules, app.patience, app.unit_of_work, datetime.now(UTC))


@pytest.fixture
def typed(served: App, machine: Machine) -> Typed:
    """`typed("encoders", "list", code=1)`: what a command said, on a machine whose settings name the old encoder."""
    environment = machine.environment() | {
        "INVENTORY_MATCH_DATABASE_URL": served.settings.database_url.get_secret_value(),
        "INVENTORY_MATCH_ENCODER_FILE": str(served.settings.encoder_file),
        "INVENTORY_MATCH_ENCODER_CACHE": str(served.settings.encoder_cache),
        "INVENTORY_MATCH_ENCODER_RUNTIME": "torch",  # the export for ONNX Runtime is slow for the deep ones
        "COLUMNS": "300",
    }

    def command(*words: str | Path, code: int = 0, **settings: str) -> str:
        more = {f"INVENTORY_MATCH_{name.upper()}": value for name, value in settings.items()}
        result = CliRunner().invoke(main, [str(word) for word in words], env=environment | more)
        assert result.exit_code == code, result.output
        return result.output

    return command
