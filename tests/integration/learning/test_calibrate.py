"""`calibrate` through real Postgres: on rendered packs its promise holds for other products, and what it chose is stored."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from inventory_match import ports
from inventory_match.bootstrap import App
from inventory_match.cli import main
from inventory_match.cli.calibrate import NOT_REACHED
from inventory_match.db import catalog
from inventory_match.domain.matching import Thresholds
from inventory_match.embedded.machine import Machine
from inventory_match.learning.calibrate import Grid, balance, fit
from inventory_match.learning.coverage import ask_for_thresholds
from inventory_match.learning.evaluate import Serving
from inventory_match.learning.labelled import read_labelled
from inventory_match.pipeline import Rules
from inventory_match.rendering.dataset import write_views
from inventory_match.vision.images import decoder
from inventory_match.vision.weights import EncoderRecord, Preprocessing, read_record, shipped_default

RECORD = EncoderRecord(
    "thumbnail", "none", 48, "cosine", Preprocessing(8, (0, 0, 0), (1, 1, 1)), "none", "MIT", "here",
    Thresholds(0.5, 0.1), sha256="7e" * 32,
)  # fmt: skip


class Thumbnail:
    """Satisfies `ports.Encoder`: 4 x 4 mean colours, less their mean, as a unit vector of shape (48,)."""

    sha256 = RECORD.sha256

    def embed(self, crops: Sequence[ports.Image]) -> ports.Embeddings:
        small = [np.asarray(Image.fromarray(one).resize((4, 4), Image.Resampling.BOX), np.float32) for one in crops]
        flat = np.stack(small).reshape(len(crops), -1)
        flat -= flat.mean(axis=1, keepdims=True)
        vectors: ports.Embeddings = flat / np.linalg.norm(flat, axis=1, keepdims=True)
        return vectors


def split(views: Path, references: int) -> tuple[Path, Path]:
    """The first `references` rows of each product, and the rest."""
    with views.open() as file:
        rows = list(csv.reader(file))[1:]
    parts = views.with_name("references.csv"), views.with_name("queries.csv")
    taken: dict[str, int] = {}
    chosen = []
    for _, sku in rows:
        taken[sku] = taken.get(sku, 0) + 1
        chosen.append(taken[sku] <= references)
    for path, wanted in zip(parts, (True, False), strict=True):
        lines = [
            f"{image},{sku}" for (image, sku), is_reference in zip(rows, chosen, strict=True) if is_reference == wanted
        ]
        path.write_text("\n".join(["image,sku", *lines]))
    return parts


def test_the_promise_holds_for_products_it_was_not_made_on(app: App, tmp_path: Path) -> None:
    views = write_views(tmp_path, seed=501, products=20, views=8)
    references, queries = (read_labelled(path) for path in split(views, 3))
    serving = Serving(app.unit_of_work, decoder(), Thumbnail(), RECORD, Rules(RECORD.thresholds, 5, 20_000), app.engine)
    asked = ask_for_thresholds(serving, references, queries, lambda _what, _total: lambda _done: None)
    assert len(asked) == 20 * 5

    draw, skus = np.random.default_rng(0), np.unique(asked.sku)
    kept, flattered = [], []
    for seed in range(12):  # one half is ten products only: the mean over many is what can be judged
        own = np.isin(asked.sku, draw.permutation(skus)[:10])
        calibrated, others = [asked.only(own)], [asked.only(~own)]
        found = fit(calibrated, 0.9, unlisted=0.1, folds=5, seed=seed)
        kept.append(balance(others, found.thresholds, 0.1))
        flattered.append(balance(others, Grid.over(calibrated).choose(calibrated, 0.9, 0.1), 0.1))

    assert np.mean([one.precision for one in kept]) > 0.9
    assert np.mean([one.decided for one in kept]) > 0.3, "precision is easy where nothing is decided"
    assert np.mean([one.precision for one in flattered]) < 0.9, "thresholds that suit their own photos do not hold"


@pytest.fixture
def registered(app: App, monkeypatch: pytest.MonkeyPatch, machine: Machine) -> App:
    """The shipped encoder in the database that commands find."""
    for name, value in machine.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("INVENTORY_MATCH_DATABASE_URL", app.settings.database_url.get_secret_value())
    with app.unit_of_work() as session:
        catalog.register_encoder(session, app.encoder_record, Thresholds(0.123, 0.045))
    return app


def stored(app: App) -> Thresholds:
    with app.unit_of_work() as session:
        return Thresholds.from_mapping(catalog.active_encoder(session).thresholds)


def colours(folder: Path) -> tuple[Path, Path]:
    """Four plain products with a reference and two queries each: no encoder gets these wrong."""
    draw = np.random.default_rng(1)
    rows: dict[str, list[str]] = {"references": [], "queries": []}
    for sku, colour in {
        "red": (200, 20, 20),
        "green": (20, 160, 20),
        "blue": (20, 20, 200),
        "white": (230,) * 3,
    }.items():
        for number, part in enumerate(("references", "queries", "queries")):
            image = np.full((40, 40, 3), colour, np.int16) + draw.integers(-9, 10, (40, 40, 3))
            Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"{sku}-{number}.png")
            rows[part].append(f"{sku}-{number}.png,{sku}")
    for part, lines in rows.items():
        (folder / f"{part}.csv").write_text("\n".join(["image,sku", *lines]))
    return folder / "references.csv", folder / "queries.csv"


def test_the_command_stores_with_the_encoder_in_database_file_and_picture(registered: App, tmp_path: Path) -> None:
    references, queries = colours(tmp_path)
    out, plot = tmp_path / "calibrated.safetensors", tmp_path / "coverage.png"
    pair = ["calibrate", "--pair", str(references), str(queries), "--folds", "4", "--precision", "0.9"]

    dry = CliRunner().invoke(main, [*pair, "--dry-run"])
    assert dry.exit_code == 0, dry.output
    assert stored(registered) == Thresholds(0.123, 0.045), "only looked"

    done = CliRunner().invoke(main, [*pair, "--out", str(out), "--plot", str(plot)])
    assert done.exit_code == 0, done.output
    written = read_record(out)
    assert stored(registered) == written.thresholds != Thresholds(0.123, 0.045)
    assert written.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    assert f"sha256 {written.sha256}" in done.output
    assert "90.0% *" in done.output
    assert f"accept {written.thresholds.accept:.4f}, margin {written.thresholds.margin:.4f}" in done.output
    with Image.open(plot) as picture:
        assert (picture.format, picture.size) == ("PNG", (840, 600))
        found = {colour for _, colour in picture.convert("RGB").getcolors(2**24) or []}
    assert {(0x09, 0x69, 0xDA), (0xCF, 0x22, 0x2E)} <= found, "the curve and the chosen point"


def test_what_cannot_be_reached_is_said_and_the_nearest_stored(registered: App, tmp_path: Path) -> None:
    references, queries = colours(tmp_path)
    lines = queries.read_text().splitlines()
    skus = [line.split(",")[1] for line in lines[1:]]
    mixed = [f"{line.split(',')[0]},{sku}" for line, sku in zip(lines[1:], skus[2:] + skus[:2], strict=True)]
    queries.write_text("\n".join([lines[0], *mixed]))  # every answer is wrong

    asked = ["calibrate", "--references", str(references), "--queries", str(queries)]
    done = CliRunner().invoke(main, asked, env={"COLUMNS": "160"})

    assert done.exit_code == NOT_REACHED
    assert "a precision of 99.0% is not reached on held-out products: 0.0% is the nearest there is" in done.output
    assert "(not reached)" in done.output
    assert stored(registered) != Thresholds(0.123, 0.045)


def test_an_encoder_nobody_registered_needs_a_file_to_carry_its_thresholds(app: App, tmp_path: Path) -> None:
    references, queries = colours(tmp_path)
    command = ["calibrate", "--references", str(references), "--queries", str(queries)]
    environment = {"INVENTORY_MATCH_DATABASE_URL": app.settings.database_url.get_secret_value()}
    done = CliRunner().invoke(main, command, env=environment)
    assert done.exit_code == 2
    assert f"does not know the encoder {shipped_default().name}: give --out FILE" in done.output
    missing = CliRunner().invoke(main, ["calibrate", "--queries", str(queries), "--dry-run"], env=environment)
    assert missing.exit_code == 2
    assert "give --references and --queries, or --pair" in missing.output
