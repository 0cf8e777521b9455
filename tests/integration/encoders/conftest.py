"""A catalog of plain colours on the machine's services, and tiny encoders of random weights to switch between."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image as Pillow
from sqlalchemy import text
from sqlalchemy.orm import Session

from inventory_match import catalog_file, reembed
from inventory_match.bootstrap import App
from inventory_match.db import catalog
from inventory_match.db.catalog import Encoder, switching
from inventory_match.db.catalog.switching import Switched
from inventory_match.enrol import import_catalog
from inventory_match.vision.assembly import assemble
from inventory_match.vision.weights import EncoderRecord, read_tensors, write

ARCH = "shufflenet_v2_x0_5"
"""The quickest of torchvision's trunks."""
MakeEncoder = Callable[..., EncoderRecord]


def tiny(folder: Path, dim: int = 8, metric: Literal["cosine", "euclidean"] = "cosine", seed: int = 0) -> EncoderRecord:
    """An encoder file that works, quickly: random weights, small pictures."""
    drawn = assemble(folder / "drawn.safetensors", ARCH, weights=None, dim=dim, seed=seed)
    name = f"tiny-{dim}-{metric}-{seed}"
    small = replace(drawn.preprocessing, size=32, crop=None)
    record = replace(drawn, name=name, metric=metric, preprocessing=small)
    return write(folder / f"{name}.safetensors", record, read_tensors(drawn))


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
