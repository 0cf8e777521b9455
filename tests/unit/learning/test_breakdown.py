"""Where the mistakes are, counted by hand."""

from __future__ import annotations

import pytest

from inventory_match.domain.matching import Candidate
from inventory_match.learning.breakdown import Category, Confusion, confusions, per_category
from inventory_match.learning.figures import UNKNOWN, Answered


def asked(truth: str, first: str, *, matched: bool = True) -> Answered:
    return Answered(truth, first if matched else UNKNOWN, (Candidate(first, 0.8),) if first else ())


def test_each_category_has_its_own_figures_and_those_without_one_come_last() -> None:
    answers = [
        asked("milk", "milk"), asked("milk", "cream"), asked("cream", "cream", matched=False),
        asked(UNKNOWN, "milk"),
        asked("pear", "pear"),
    ]  # fmt: skip
    dairy, fruit, none = per_category(answers, ["Dairy", "Dairy", "Dairy", None, "Fruit"])

    assert (dairy.category, dairy.n_queries) == ("Dairy", 3)
    assert (dairy.top1, dairy.f1) == pytest.approx((2 / 3, 2 / 5))
    assert (dairy.matched, dairy.wrong) == pytest.approx((2 / 3, 1 / 3))
    assert fruit == Category("Fruit", 1, 1.0, 1.0, 1.0, 0.0)
    assert none == Category(None, 1, None, 0.0, 1.0, 1.0)


def test_without_categories_there_is_no_table() -> None:
    assert per_category([asked("milk", "milk")], [None]) == []


def test_confusions_come_most_frequent_first_and_say_how_many_were_matched() -> None:
    answers = [
        asked("milk", "cream"), asked("milk", "cream", matched=False), asked("cream", "milk"),
        asked("milk", "milk"), asked("pear", "", matched=False),
        asked(UNKNOWN, "milk"), asked(UNKNOWN, "pear", matched=False),
    ]  # fmt: skip

    assert confusions(answers) == [
        Confusion("milk", "cream", count=2, matched=1),
        Confusion(None, "milk", count=1, matched=1),  # an unknown product that was not matched is no mistake
        Confusion("cream", "milk", count=1, matched=1),
    ]
