"""The figures on cases small enough to compute by hand, and MAP@R against the library that defined it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory_match.domain.matching import Candidate
from inventory_match.learning.figures import (
    UNKNOWN,
    Answered,
    average_precision_at_r,
    coverage_at_precision,
    f1,
    figures,
    macro_f1,
    mape,
    roc_auc_known,
)

in_time = settings(deadline=None, max_examples=60)
"""The first example pays for importing scikit-learn, which no deadline should judge."""

some_answers = st.lists(
    st.builds(
        lambda truth, products, similarity, matched: asked(
            truth, products, similarity / 8, products[:1] if matched else UNKNOWN
        ),
        st.sampled_from(["A", "B", "C", UNKNOWN]),
        st.permutations("ABCD").map("".join),
        st.integers(0, 8),  # so that some are equal
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)


def asked(truth: str, products: str, similarity: float = 0.5, decided: str | None = None, refs: str = "") -> Answered:
    """`products` and `refs`: one letter a sku."""
    answer = products[:1] if decided is None else decided
    found = tuple(Candidate(sku, similarity - place / 1000) for place, sku in enumerate(products))
    return Answered(truth, answer, found, tuple(refs))


def test_top1_and_top5_look_at_known_queries_only() -> None:
    found = figures(
        [
            asked("A", "ABCDEF", refs="A"),
            asked("B", "ABCDEF", refs="A"),
            asked("F", "ABCDEF", refs="A"),
            asked("E", "ABCDEF", refs="A"),
            asked(UNKNOWN, "ABCDEF"),
        ],
        n_references=7,
        seconds=2.0,
    )

    assert (found.top1, found.top5) == (0.25, 0.75)
    assert (found.n_queries, found.n_references, found.images_per_second) == (5, 7, 2.5)


def test_figures_without_a_known_query_are_left_out() -> None:
    found = figures([asked(UNKNOWN, "A", decided=UNKNOWN)], n_references=1, seconds=1.0)

    assert (found.top1, found.top5, found.map_at_r, found.roc_auc_known) == (None, None, None, None)
    assert (found.macro_f1, found.coverage_at_precision_99) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("references", "precision"),
    [("A", 1), ("B", 0), ("AA", 1), ("AB", 1 / 2), ("BA", 1 / 4), ("ABA", (1 + 2 / 3) / 3), ("BBB", 0)],
)
def test_average_precision_at_r(references: str, precision: float) -> None:
    assert average_precision_at_r(references, "A") == pytest.approx(precision)


def test_map_at_r_is_the_librarys() -> None:
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
    from pytorch_metric_learning.utils.inference import CustomKNN

    draw = np.random.default_rng(3)
    references, queries = draw.normal(size=(60, 8)), draw.normal(size=(25, 8))
    labels, truth = draw.integers(0, 5, 60), draw.integers(0, 5, 25)
    mine = []
    for vector, label in zip(queries, truth, strict=True):
        similarity = references @ vector / np.linalg.norm(references, axis=1)
        ranked = [str(one) for one in labels[np.argsort(-similarity)]]
        mine.append(average_precision_at_r(ranked[: int((labels == label).sum())], str(label)))

    calculator = AccuracyCalculator(
        include=("mean_average_precision_at_r",), k="max_bin_count", knn_func=CustomKNN(CosineSimilarity())
    )
    theirs = calculator.get_accuracy(
        *(torch.from_numpy(one) for one in (queries, truth, references, labels)), ref_includes_query=False
    )
    assert np.mean(mine) == pytest.approx(theirs["mean_average_precision_at_r"])


def test_macro_f1_weighs_every_product_asked_for_the_same_and_unknown_as_one_of_them() -> None:
    answers = [
        asked("A", "A"), asked("A", "A"), asked("A", "B"),  # A: precision 1, recall 2/3: F1 4/5
        asked("B", "B"),  # B: precision 1/2, recall 1: F1 2/3
        asked(UNKNOWN, "C"),  # unknown: F1 0; C itself was never asked for
    ]  # fmt: skip

    assert macro_f1(answers) == pytest.approx((4 / 5 + 2 / 3 + 0) / 3)


def test_an_ambiguous_answer_counts_as_unknown() -> None:
    assert macro_f1([asked("A", "A"), asked("A", "A", decided=UNKNOWN)]) == pytest.approx(2 / 3)


def test_f1_weighs_every_query_the_same_and_a_matched_unknown_costs_precision() -> None:
    answers = [
        asked("A", "A"), asked("A", "A"), asked("A", "B"), asked("B", "B", decided=UNKNOWN),  # 2 of 4 found
        asked(UNKNOWN, "C"), asked(UNKNOWN, "C", decided=UNKNOWN),  # with the mistake above, 2 of 4 matches are right
    ]  # fmt: skip

    assert f1(answers) == pytest.approx(2 * 0.5 * 0.5 / (0.5 + 0.5))
    assert f1([asked(UNKNOWN, "C", decided=UNKNOWN)]) == 0


@in_time
@given(some_answers)
def test_f1_is_the_librarys_over_products(answers: list[Answered]) -> None:
    from sklearn.metrics import f1_score

    truth, decided = [one.truth for one in answers], [one.decided for one in answers]
    products = sorted({*truth, *decided} - {UNKNOWN})
    expected = f1_score(truth, decided, labels=products, average="micro", zero_division=0) if products else 0
    assert f1(answers) == pytest.approx(expected)


def test_mape_is_how_far_counts_are_off_where_there_is_something_to_count() -> None:
    answers = [asked("A", "A")] * 4 + [asked("B", "B"), asked("B", "A"), asked(UNKNOWN, "B"), asked(UNKNOWN, "C")]

    # A: 5 matches for 4 queries. B: 2 for 2, one of them an unknown product. C is matched, and nobody showed one.
    assert mape(answers) == pytest.approx((1 / 4 + 0) / 2)
    assert mape([asked("A", "A", decided=UNKNOWN)]) == 1
    assert mape([asked(UNKNOWN, "A")]) is None


@in_time
@given(some_answers)
def test_mape_is_the_librarys_over_products_that_are_there(answers: list[Answered]) -> None:
    from sklearn.metrics import mean_absolute_percentage_error

    shown, counted = Counter(one.truth for one in answers), Counter(one.decided for one in answers)
    products = sorted(set(shown) - {UNKNOWN})
    if products:
        expected = mean_absolute_percentage_error([shown[p] for p in products], [counted[p] for p in products])
        assert mape(answers) == pytest.approx(expected)
    else:
        assert mape(answers) is None


def test_roc_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    answers = [asked("A", "A", 0.9), asked("A", "A", 0.4), asked(UNKNOWN, "A", 0.6), asked(UNKNOWN, "A", 0.1)]

    assert roc_auc_known(answers) == pytest.approx(3 / 4)
    assert roc_auc_known(answers[:2]) is None


class TestCoverage:
    def test_the_surest_are_decided_until_too_many_are_wrong(self) -> None:
        answers = [asked("A", "A", 0.9), asked("A", "A", 0.8), asked("A", "B", 0.7), asked("A", "A", 0.6)]

        assert coverage_at_precision(answers) == 0.5
        assert coverage_at_precision(answers, precision=0.75) == 1.0
        assert coverage_at_precision(list(reversed(answers))) == 0.5

    def test_one_wrong_in_a_hundred_is_allowed(self) -> None:
        sure = [asked("A", "A", 1 - i / 1000) for i in range(99)]

        assert coverage_at_precision([*sure, asked("A", "B", 0.5)]) == 1.0
        assert coverage_at_precision([asked("A", "B", 0.995), *sure]) == 1.0, "recovered from an early mistake"
        assert coverage_at_precision([*sure, asked("A", "B", 0.5), asked(UNKNOWN, "A", 0.4)]) == 100 / 101

    def test_queries_of_equal_similarity_come_together(self) -> None:
        tied = [asked("A", "A", 0.9), asked("A", "B", 0.9)]

        assert coverage_at_precision(tied) == coverage_at_precision(tied[::-1]) == 0.0

    def test_an_unknown_product_is_never_right(self) -> None:
        assert coverage_at_precision([asked(UNKNOWN, "A", 0.9, decided=UNKNOWN)]) == 0.0
