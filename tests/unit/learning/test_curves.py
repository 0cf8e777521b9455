"""Curves against the figures they belong to and against scikit-learn, and the pictures they become."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from PIL import Image

from inventory_match.domain.matching import Thresholds
from inventory_match.learning.charts import DPI, write_charts
from inventory_match.learning.curves import confusion_matrix, decision_curve, known_roc
from inventory_match.learning.figures import UNKNOWN, Answered, coverage_at_precision, roc_auc_known

from .test_figures import asked, in_time, some_answers

MIXED = [asked("A", "AB", 0.9), asked("A", "BA", 0.7), asked("B", "BA", 0.7), asked(UNKNOWN, "AB", 0.4)]


def test_a_decision_curve_by_hand() -> None:
    curve = decision_curve(MIXED)
    assert curve.similarity.tolist() == [0.9, 0.7, 0.4]
    assert curve.coverage.tolist() == [1 / 4, 3 / 4, 1]
    assert curve.precision == pytest.approx([1, 2 / 3, 2 / 4])
    assert curve.recall == pytest.approx([1 / 3, 2 / 3, 2 / 3])


@in_time
@given(some_answers)
def test_a_decision_curve_is_the_librarys_precision_and_recall(answers: list[Answered]) -> None:
    from sklearn.metrics import precision_recall_curve

    right = np.array([one.right for one in answers])
    assume(right.any())
    curve = decision_curve(answers)
    precision, recall, thresholds = precision_recall_curve(right, [one.similarity for one in answers])
    assert curve.similarity.tolist() == thresholds[::-1].tolist()
    assert curve.precision == pytest.approx(precision[-2::-1])
    known = sum(one.known for one in answers)
    assert curve.recall == pytest.approx(recall[-2::-1] * right.sum() / known)


@in_time
@given(some_answers)
def test_coverage_at_a_precision_is_a_point_of_the_curve(answers: list[Answered]) -> None:
    curve = decision_curve(answers)
    enough = curve.coverage[curve.precision >= 0.75]
    assert coverage_at_precision(answers, 0.75) == pytest.approx(enough.max() if len(enough) else 0)


@in_time
@given(some_answers)
def test_the_area_under_the_roc_curve_is_the_figure(answers: list[Answered]) -> None:
    points = known_roc(answers)
    if points is None:
        assert roc_auc_known(answers) is None
    else:
        assert np.trapezoid(points[1], points[0]) == pytest.approx(roc_auc_known(answers))


def test_a_confusion_matrix_names_the_worst_first_and_gathers_the_rest() -> None:
    answers = [asked("A", "A"), asked("A", "B"), asked("B", "A"), asked("B", "A"), asked("C", "C"), asked("D", "A")]
    names, shares = confusion_matrix([*answers, asked(UNKNOWN, "C")], most=2)
    assert names == ["A", "B"]  # A is in four mistakes, B in three, D in one
    assert shares == pytest.approx(np.array([[1 / 2, 1 / 2, 0], [1, 0, 0]]))
    assert confusion_matrix(answers, most=9)[0] == ["A", "B", "D", "C"]


def pixels(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


def test_charts_are_pictures_of_the_curves(tmp_path: Path) -> None:
    made = write_charts(tmp_path / "plots", MIXED, Thresholds(0.5, 0.0))
    assert [path.name for path in made] == ["roc.png", "precision.png", "confusion.png"]
    roc, precision, _ = map(pixels, made)
    assert roc.shape == (5 * DPI, 5 * DPI, 3)
    assert precision.shape == (5 * DPI, 10 * DPI, 3)
    blue = (roc == (0x09, 0x69, 0xDA)).all(axis=2)
    assert blue.sum() > 500, "the curve"
    # All known queries are more similar than the unknown one: the curve runs up at the left and along the top.
    rows, columns = np.nonzero(blue)
    corner = blue[rows.min() : rows.min() + 20, columns.min() : columns.min() + 20]
    assert corner.any()
    assert not blue[rows.max() - 100 : rows.max(), columns.max() - 100 : columns.max()].any()
    red = (precision == (0xCF, 0x22, 0x2E)).all(axis=2)
    assert red[:, : 5 * DPI].any()
    assert red[:, 5 * DPI :].any(), "the working point in both halves"


def test_there_is_no_roc_where_all_are_known(tmp_path: Path) -> None:
    assert [path.name for path in write_charts(tmp_path, MIXED[:3], Thresholds(2.0, 0.0))] == [
        "precision.png",
        "confusion.png",
    ]
