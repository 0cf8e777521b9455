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

from inventory_match.bootstrap import App
from inventory_match.cli import main
from inventory_match.domain.matching import Thresholds
from inventory_match.embedded.machine import Machine
from inventory_match.learning.breakdown import Confusion
from inventory_match.learning.contact_sheet import contact_sheet
from inventory_match.learning.evaluate import Serving
from inventory_match.learning.labelled import read_labelled
from inventory_match.learning.report import evaluate, worst_mistakes
from inventory_match.pipeline import Rules
from inventory_match.tiles import EDGE, GAP, SIDE
from inventory_match.vision.assembly import assemble
from inventory_match.vision.images import decoder
from inventory_match.vision.weights import EncoderRecord, Preprocessing, shipped_default

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


def colour_serving(app: App) -> Serving:
    record = EncoderRecord(
        "colours", "mean", 3, "cosine", Preprocessing(8, (0, 0, 0), (1, 1, 1)), "none", "MIT", "here",
        Thresholds(0.5, 0.1),
        sha256=ColourEncoder.sha256,
    )  # fmt: skip
    rules = Rules(Thresholds(accept=0.9, margin=0.0), 5, 20_000)
    return Serving(app.unit_of_work, decoder(), ColourEncoder(), record, rules, app.engine)


def silent(_what: str, _total: int) -> Callable[[int], None]:
    return lambda _done: None


def test_figures_through_sql_and_decide(app: App, photos: tuple[Path, Path]) -> None:
    serving = colour_serving(app)
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


@pytest.fixture
def served(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The machine that commands find."""
    for name, value in machine.environment().items():
        monkeypatch.setenv(name, value)
    return machine


def test_the_command_writes_its_keys_and_leaves_no_database_behind(
    served: Machine, photos: tuple[Path, Path], tmp_path: Path
) -> None:
    references, queries = photos
    out = tmp_path / "figures.json"

    command = ["evaluate", "retrieval", "--references", str(references), "--queries", str(queries), "--json", str(out)]
    result = CliRunner().invoke(main, command)

    assert result.exit_code == 0, result.output
    figures = json.loads(out.read_text())
    assert figures.keys() == KEYS
    assert (figures["n_queries"], figures["n_references"]) == (3, 5)
    assert figures["per_category"] == []
    engine = create_engine(served.dsn)
    with engine.connect() as connection:
        left = connection.execute(text("select datname from pg_database where datname like '%scratch%'"))
        assert left.all() == []
    engine.dispose()


def test_tables_pictures_spoilt_queries_and_another_encoder(
    served: Machine, photos: tuple[Path, Path], tmp_path: Path
) -> None:
    """References from two files, one of them with its photos elsewhere; B is kept out; a random network beside the shipped."""
    del served
    references, queries = photos
    references.write_text("image,sku,category\nA1.png,A,Red\nA2.png,A,Red\nB1.png,B,Green\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "A3.png").rename(tmp_path / "elsewhere" / "A3.png")
    (tmp_path / "more.csv").write_text("image,sku\nA3.png,C\n")
    queries.write_text("image,sku\nqA.png,A\nqB.png,B\nqX.png,C\n")
    (tmp_path / "out.txt").write_text("B\n")
    other = assemble(tmp_path / "random.safetensors", "shufflenet_v2_x0_5", weights=None, dim=8)
    out, plots, sheet = tmp_path / "figures.json", tmp_path / "plots", tmp_path / "sheet.png"

    command = [
        "evaluate", "retrieval", "--references", references, "--references", tmp_path / "more.csv", "--queries", queries,
        "--images", tmp_path / "elsewhere", "--exclude-skus", tmp_path / "out.txt", "--robustness", "--plots", plots,
        "--sheet", sheet, "--json", out, "--compare", other.path,
    ]  # fmt: skip
    result = CliRunner().invoke(main, list(map(str, command)))

    assert result.exit_code == 0, result.output
    found = json.loads(out.read_text())
    assert (found["n_references"], found["n_queries"]) == (3, 3)
    assert found["roc_auc_known"] is not None, "B is unknown now"
    # Nobody who is left says of what category B and C are.
    assert [(row["category"], row["n_queries"]) for row in found["per_category"]] == [("Red", 1), (None, 2)]
    assert found["robustness"].keys() == {"blur", "low_light", "jpeg_30", "rotation_15", "occlusion_20"}
    assert all(0 <= top1 <= 1 for top1 in found["robustness"].values())
    names = [row["encoder"] for row in found["compare"]]
    assert names == [shipped_default().name, other.name]
    assert found["compare"][1]["sha256"] == other.sha256
    assert found["compare"][0]["top1"] == found["top1"]
    assert all(row["images_per_second"] > 0 for row in found["compare"])
    assert {path.name for path in plots.iterdir()} == {"roc.png", "precision.png", "confusion.png"}
    for title in ("Robustness", "Categories", "Side by side"):
        assert title in result.output


def test_the_sheet_shows_query_mistake_and_what_it_should_have_been(app: App, photos: tuple[Path, Path]) -> None:
    references, queries = (read_labelled(path) for path in photos)
    report = evaluate(colour_serving(app), references, queries, silent, spoil_seed=None)

    picture = contact_sheet(worst_mistakes(report, 5), decoder())

    middles = [EDGE + column * (SIDE + GAP) + SIDE // 2 for column in range(3)]
    assert [picture.getpixel((x, picture.height // 2)) for x in middles] == [
        COLOURS["qB"], COLOURS["A3"], COLOURS["B1"],
    ]  # fmt: skip


def test_a_row_nobody_can_read_stops_it_with_file_and_line(served: Machine, photos: tuple[Path, Path]) -> None:
    del served
    references, queries = photos
    queries.write_text("image,sku\nqA.png,A\nnone.png,A\n")

    command = ["evaluate", "retrieval", "--references", str(references), "--queries", str(queries)]
    result = CliRunner().invoke(main, command)

    assert result.exit_code == 1
    assert f"{queries}:3: image:" in result.output
