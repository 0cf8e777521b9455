"""A clerk's photos of rendered packs, seen by the shipped encoder: asked about, answered, learned, explained."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image

from inventory_match import pipeline
from inventory_match.bootstrap import App
from inventory_match.db import views
from inventory_match.db.models import Camera
from inventory_match.domain.photos import PhotoState
from inventory_match.rendering.catalog import write_catalog
from inventory_match.rendering.designs import product
from inventory_match.rendering.studio import studio_view

from .conftest import Run

pytestmark = pytest.mark.usefixtures("shop")
SEED = 4111
KNOWN, NEW = [product(SEED, index) for index in range(3)], product(SEED, 3)
Take = Callable[[int], int]


@pytest.fixture
def take(app: App, run: Run, tmp_path: Path) -> Take:
    """A store that knows three products; `take(n)` photographs the fourth for the n-th time and returns the sighting."""
    folder = uuid4().hex
    with app.unit_of_work() as session:
        session.add(
            Camera(camera="clerk", store="s1", location="dock", kind="product", key_pattern=f"{folder}/{{any}}")
        )
    run("catalog", "import", str(write_catalog(tmp_path, KNOWN, references=2)))

    def photograph(n: int) -> int:
        jpeg = io.BytesIO()
        studio_view(NEW, np.random.default_rng(n), plain=False).save(jpeg, "JPEG")
        app.store.put(app.settings.bucket, f"{folder}/{n}.jpg", jpeg.getvalue())
        run("photos", "scan", f"s3://{app.settings.bucket}/{folder}/")
        with app.unit_of_work() as session:
            photo = views.read(session, "photo_log", ("id",), newest_by="id", limit=1)[0].id
        eyes, rules = app.sight()
        state = pipeline.process(photo, eyes, rules, app.patience, app.unit_of_work, datetime.now(UTC))
        assert state is PhotoState.DONE
        with app.unit_of_work() as session:
            return int(views.read(session, "sighting_log", ("id",), newest_by="id", limit=1)[0].id)

    return photograph


def test_answers_teach_and_decisions_are_explained(run: Run, take: Take, tmp_path: Path) -> None:
    first, second = take(1), take(2)
    asked = run("review", "next", "--store", "s1", "-o", str(tmp_path / "asked.png")).output
    assert "unknown" in asked
    assert "2 look alike" in asked
    assert "nothing waits" in run("review", "next", "--location", "shelf").output
    groups = run("review", "groups", "-o", str(tmp_path / "groups.png")).output
    assert "1 groups of unknown look-alikes" in groups

    told = run("review", "assign", str(first), NEW.sku, "--new", NEW.name, "--by", "ann").output
    assert f"sighting {first} is {NEW.sku}: 1 new reference photo" in told
    third = take(3)
    assert "more than the 9 px" in run("explain", str(third), "-o", "x.png", code=1, photo_max_pixels="9").output
    explained = run("explain", str(third), "-o", str(tmp_path / "why.png")).output
    assert f"matched, {NEW.name}" in explained
    assert "accept 0." in explained
    found = json.loads(run("explain", str(third), "--json").stdout)
    assert found["encoder"]["active"]
    assert found["references"][0]["sku"] == NEW.sku
    assert found["references"][0]["similarity"] == pytest.approx(found["candidates"][0]["similarity"], abs=1e-3)
    assert len({one["sku"] for one in found["references"]}) > 1, "the runner-up is shown, too"

    assert "1 reference photo withdrawn" in run("review", "undo", str(first), "--reason", "a slip").output
    group = run("review", "assign", "--group", str(second), "--new", NEW.sku, NEW.name, code=1).output
    assert "in the catalog already" in group
    assert "for 2 sightings" in run("review", "assign", "--group", str(second), NEW.sku).output
    assert "a slip" in run("review", "log").output
    for name in ("asked", "groups", "why"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert min(picture.size) > 300


def test_what_is_typed_wrongly_is_told(run: Run) -> None:
    assert "sighting 7 does not exist" in run("explain", "7", code=1).output
    assert "sighting 7 does not exist" in run("review", "accept", "7", code=1).output
    assert "nobody answered sighting 7" in run("review", "undo", "7", code=1).output
    assert 'SIGHTING SKU "Name"' in run("review", "assign", "7", "tea", "--new", code=2).output
    assert "no group holds sighting 7" in run("review", "assign", "--group", "7", "tea", code=1).output
    assert "give a sighting, or --group" in run("review", "reject", code=1).output
    assert "write .png or .jpg" in run("explain", "7", "-o", "why.pgn", code=2).output
    assert "a folder that is there" in run("review", "next", "-o", "nowhere/asked.png", code=2).output
