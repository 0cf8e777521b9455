"""Thresholds are chosen from what the references said, and end up in the encoder's file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from inventory_match.domain.errors import InvalidInput
from inventory_match.domain.matching import Thresholds
from inventory_match.learning.calibrate import Answers, answers, balance, choose, main
from inventory_match.rendering.dataset import write_views
from inventory_match.vision.assembly import assemble
from inventory_match.vision.weights import read_record, read_tensors


def rows(*angles: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))], axis=1).astype(np.float32)


def test_answers_are_those_of_the_best_reference_of_each_product() -> None:
    found = answers(rows(0, 30, 60, 90), ["a", "a", "b", "c"], rows(31, 70), ["a", "c"])
    assert found.right.tolist() == [True, False]
    assert found.best == pytest.approx(np.cos(np.radians([1, 10])), abs=1e-6)
    assert found.lead == pytest.approx(np.cos(np.radians([1, 10])) - np.cos(np.radians([29, 20])), abs=1e-6)
    assert found.best_without == pytest.approx(np.cos(np.radians([29, 10])), abs=1e-6)
    assert found.lead_without == pytest.approx(np.cos(np.radians([29, 10])) - np.cos(np.radians([59, 40])), abs=1e-6)


def test_products_nobody_listed_cannot_be_asked_for() -> None:
    with pytest.raises(InvalidInput, match="references of every product"):
        answers(rows(0, 30, 60), ["a", "b", "c"], rows(1), ["d"])


def group(best: float, lead: float, right: bool, without: float, count: int = 10) -> Answers:
    same = np.ones(count)
    return Answers(best * same, lead * same, same.astype(bool) & right, without * same, lead * same)


def test_balance_weighs_groups_alike_however_large() -> None:
    good, bad = group(0.9, 0.2, right=True, without=0.4, count=5), group(0.9, 0.2, right=False, without=0.4, count=500)
    seen = balance([good, bad], Thresholds(0.5, 0.1), unknown_share=0.2)
    assert (seen.coverage, seen.precision, seen.fooled) == pytest.approx((1, 0.5, 0))
    assert balance([good], Thresholds(0.95, 0.1), 0.2).coverage == 0


def test_unlisted_products_cost_precision_by_their_share() -> None:
    lookalikes = group(0.9, 0.2, right=True, without=0.8)
    assert balance([lookalikes], Thresholds(0.5, 0.1), 0.25).precision == pytest.approx(0.75)
    assert balance([lookalikes], Thresholds(0.85, 0.1), 0.25).precision == 1


def test_the_choice_covers_most_at_the_precision_asked_for() -> None:
    sure, unsure = group(0.8, 0.1, right=True, without=0.5), group(0.6, 0.02, right=False, without=0.5)
    thresholds, seen = choose([sure, unsure], precision=0.99, unknown_share=0.1)
    assert (seen.coverage, seen.precision) == (0.5, 1.0)
    assert 0.5 < thresholds.accept <= 0.8
    assert thresholds.accept > 0.6 or thresholds.margin > 0.02
    assert choose([unsure], 0.99, 0.1)[1].coverage == 0  # nothing is better than wrong
    assert choose([sure, unsure], precision=0.4, unknown_share=0.0)[1].coverage == 1


def test_the_command_writes_thresholds_into_the_file_and_leaves_the_weights(tmp_path: Path) -> None:
    views = write_views(tmp_path, seed=77, products=4, views=3)
    made = assemble(tmp_path / "e.safetensors", "shufflenet_v2_x0_5", weights=None, dim=8)
    done = CliRunner().invoke(main, ["--encoder", str(made.path), "--pair", str(views), str(views), "--threads", "1"])
    assert done.exit_code == 0, done.output
    assert "views.csv: top-1 100.0%" in done.output
    found = read_record(tmp_path / "e.safetensors")
    assert found.sha256 != made.sha256
    assert f"{found.thresholds} written" in done.output
    before = assemble(tmp_path / "again.safetensors", "shufflenet_v2_x0_5", weights=None, dim=8)
    assert before.sha256 == made.sha256
    assert all((tensor == read_tensors(found)[name]).all() for name, tensor in read_tensors(before).items())
