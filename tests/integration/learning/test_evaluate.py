"""`evaluate retrieval` on colours: the figures are known by hand, the database is scratch and goes away."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from sqlalchemy import create_engine, text

from inventory_match.cli import main
from inventory_match.db.engine import UnitOfWork
from inventory_match.domain.matching import Thresholds
from inventory_match.embedded.machine import Machine
from inventory_match.learning.breakdown import Confusion
from inventory_match.learning.evaluate import Serving
from inventory_match.learning.labelled import read_labelled
from inventory_match.learning.report import evaluate, worst_mistakes
from inventory_match.pipeline import Rules
from inventory_match.vision.images import decoder
from inventory_match.vision.weights import EncoderRecord, Preprocessing

from ..pipeline.conftest import ColourEncoder

COLOURS = {
    "A1": (200, 20, 20), "A2": (180, 40, 20), "A3": (90, 220, 100),  # the third looks like a B
    "B1": (20, 200, 20), "B2": (40, 180, 20),
    "qA": (190, 30, 30), "qB": (80, 200, 95), "qX": (20, 20, 200),
}  # fmt: skip
KEYS = {
    "top1", "top5", "map_at_r", "macro_f1", "roc_auc_known", "coverage_at_precision_99", "n_queries", "n_references",
    "images_per_second", "f1", "mape", "per_category", "confusions",
}  # fmt: skip


@pytest.fixture
def photos(tmp_path: Path) -> tuple[Path, Path]:
    """Two products, one of whose references is misleading; two known queries and an unknown one."""
    for name, colour in COLOURS.items():
        Image.fromarray(np.full((32, 32, 3), colour, np.uint8)).save(tmp_path / f"{name}.png")
    references, queries = tmp_path / "references.csv", tmp_path / "queries.csv"
    references.write_text("image,sku\n" + "".join(f"{name}.png,{name[0]}\n" for name in COLOURS if name[0] in "AB"))
    queries.write_text("image,sku\nqA.png,A\nqB.png,B\nqX.png,X\n")
    return references, queries


def test_figures_through_sql_and_decide(unit_of_work: UnitOfWork, photos: tuple[Path, Path]) -> None:
    record = EncoderRecord(
        "colours", "mean", 3, "cosine", Preprocessing(8, (0, 0, 0), (1, 1, 1)), "none", "MIT", "here",
        Thresholds(0.5, 0.1),
        sha256=ColourEncoder.sha256,
    )  # fmt: skip
    rules = Rules(Thresholds(accept=0.9, margin=0.0), 5, 20_000)
    serving = Serving(unit_of_work, decoder(), ColourEncoder(), record, rules)
    steps: Counter[str] = Counter()

    def bar(what: str, total: int) -> Callable[[int], None]:
        steps[f"{what} of {total}"] += 0
        return lambda done: steps.update({f"{what} of {total}": done})

    references, queries = (read_labelled(path) for path in photos)
    report = evaluate(serving, references, queries, bar, spoil_seed=None)
    found = report.figures

    assert steps == {"references of 5": 5, "queries of 3": 3}
    assert (found.n_references, found.n_queries) == (5, 3)
    # qA finds A1, A2 first and then one of its three references last of all: (1 + 1) / 3. qB finds A3 before B1.
    assert found.top1 == 0.5
    assert found.top5 == 1.0
    assert found.map_at_r == pytest.approx((2 / 3 + 1 / 4) / 2)
    # A: one of two answers right, all found: 2/3. B: never answered. X: decided unknown, rightly.
    assert found.macro_f1 == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert found.roc_auc_known == 1.0
    assert found.coverage_at_precision_99 == pytest.approx(1 / 3), "qA is the surest, then comes qB's mistake"
    assert found.images_per_second > 0
    # One of two known queries is matched rightly, the other wrongly: precision and recall are 1/2.
    assert found.f1 == pytest.approx(1 / 2)
    assert found.mape == pytest.approx((1 + 1) / 2), "two matched as A where one was shown, none as B"
    assert report.confusions == [Confusion("B", "A", count=1, matched=1)]
    [mistake] = worst_mistakes(report, 5)
    assert mistake.right is not None
    shown = [one.row.image for one in (mistake.query, mistake.wrong, mistake.right)]
    assert shown == ["qB.png", "A3.png", "B1.png"]


def test_the_command_writes_its_keys_and_leaves_no_database_behind(
    machine: Machine, photos: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in machine.environment().items():
        monkeypatch.setenv(name, value)
    references, queries = photos
    out = tmp_path / "figures.json"

    command = ["evaluate", "retrieval", "--references", str(references), "--queries", str(queries), "--json", str(out)]
    result = CliRunner().invoke(main, command)

    assert result.exit_code == 0, result.output
    figures = json.loads(out.read_text())
    assert figures.keys() == KEYS
    assert (figures["n_queries"], figures["n_references"]) == (3, 5)
    engine = create_engine(machine.dsn)
    with engine.connect() as connection:
        left = connection.execute(text("select datname from pg_database where datname like '%scratch%'"))
        assert left.all() == []
    engine.dispose()


def test_a_row_nobody_can_read_stops_it_with_file_and_line(
    machine: Machine, photos: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in machine.environment().items():
        monkeypatch.setenv(name, value)
    references, queries = photos
    queries.write_text("image,sku\nqA.png,A\nnone.png,A\n")

    command = ["evaluate", "retrieval", "--references", str(references), "--queries", str(queries)]
    result = CliRunner().invoke(main, command)

    assert result.exit_code == 1
    assert f"{queries}:3: image:" in result.output
