"""Thresholds are chosen from what the search answered, and what they promise is measured where they were not chosen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory_match.domain.errors import InvalidInput
from inventory_match.domain.matching import Candidate, Evidence, Outcome, Thresholds, decide
from inventory_match.learning.calibrate import Answers, Balance, Grid, answers, balance, fit
from inventory_match.learning.figures import UNKNOWN, Answered


def query(truth: str, **found: float) -> Answered:
    """Similarities by sku, best first."""
    return Answered(truth, UNKNOWN, tuple(Candidate(sku, similarity) for sku, similarity in found.items()))


def test_each_query_counts_with_its_product_and_without_it() -> None:
    found = answers(
        [query("a", a=0.9, b=0.7, c=0.4), query("c", b=0.8, c=0.75, a=0.1), query(UNKNOWN, a=0.5, b=0.3, c=0.2)],
        ["a", "c", "x"],
    )
    assert found.right.tolist() == [True, False, False]
    assert found.listed.tolist() == [True, True, False]
    assert found.best.tolist() == [0.9, 0.8, 0.5]
    assert found.lead == pytest.approx([0.2, 0.05, 0.2])
    assert found.best_without.tolist() == [0.7, 0.8, 0.5]
    assert found.lead_without == pytest.approx([0.3, 0.7, 0.2])


@pytest.mark.parametrize("few", [[query("a", a=0.9, b=0.7)], [query(UNKNOWN, a=0.9, b=0.7, c=0.1)]])
def test_too_little_to_learn_from_is_an_error(few: list[Answered]) -> None:
    with pytest.raises(InvalidInput, match="references of at least 3 products, and queries that show some"):
        answers(few, ["a"])


def group(best: float, lead: float, *, right: bool, without: float, count: int = 10, sku: str = "a") -> Answers:
    same, yes = np.ones(count), np.ones(count, bool)
    return Answers(best * same, lead * same, yes & right, without * same, lead * same, np.array([sku] * count), yes)


def joined(*groups: Answers) -> Answers:
    return Answers(*(np.concatenate([getattr(one, f) for one in groups]) for f in Answers.__dataclass_fields__))


def test_balance_weighs_groups_alike_however_large() -> None:
    good, bad = group(0.9, 0.2, right=True, without=0.4, count=5), group(0.9, 0.2, right=False, without=0.4, count=500)
    seen = balance([good, bad], Thresholds(0.5, 0.1), unlisted=0.2)
    assert (seen.coverage, seen.precision, seen.fooled) == pytest.approx((1, 0.5, 0))
    assert balance([good], Thresholds(0.95, 0.1), 0.2).coverage == 0


def test_shares_of_what_a_camera_sees() -> None:
    seen = Balance(right=0.6, wrong=0.1, fooled=0.3, unlisted=0.2)
    assert (seen.decided, seen.mistaken) == pytest.approx((0.8 * 0.7 + 0.2 * 0.3, 0.8 * 0.1 + 0.2 * 0.3))
    assert seen.to_people == pytest.approx(1 - seen.decided)
    assert seen.precision == pytest.approx(0.48 / 0.62)
    assert Balance(0, 0, 0, 0.1).precision == 1


def test_unlisted_products_cost_precision_by_their_share() -> None:
    lookalikes = group(0.9, 0.2, right=True, without=0.8)
    assert balance([lookalikes], Thresholds(0.5, 0.1), 0.25).precision == pytest.approx(0.75)
    assert balance([lookalikes], Thresholds(0.85, 0.1), 0.25).precision == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_a_balance_is_what_decide_would_do(seed: int, count: int) -> None:
    draw = np.random.default_rng(seed)
    similar = np.sort(draw.integers(0, 20, (count, 3)) / 20, axis=1)[
        :, ::-1
    ]  # coarse, so that thresholds are met exactly
    truths = draw.choice(["a", "b", "x"], count)
    if set(truths) == {"x"}:
        truths[0] = "a"
    asked = [
        query(UNKNOWN if truth == "x" else str(truth), **dict(zip("abc", map(float, row), strict=True)))
        for truth, row in zip(truths, similar, strict=True)
    ]
    thresholds = Thresholds(float(draw.integers(0, 20) / 20), float(draw.integers(0, 5) / 20))
    decisions = [decide(Evidence(one.candidates), thresholds) for one in asked]
    listed = sum(one.known for one in asked)
    right = sum(d.sku == one.truth for d, one in zip(decisions, asked, strict=True)) / listed
    wrong = sum(
        d.outcome is Outcome.MATCHED and d.sku != q.truth and q.known for d, q in zip(decisions, asked, strict=True)
    )
    seen = balance([answers(asked, [str(truth) for truth in truths])], thresholds, 0.1)
    assert (seen.right, seen.wrong) == pytest.approx((right, wrong / listed))


def test_the_choice_decides_most_at_the_precision_asked_for() -> None:
    sure, unsure = group(0.8, 0.1, right=True, without=0.5), group(0.6, 0.02, right=False, without=0.5)
    grid = Grid.over([sure, unsure])
    thresholds = grid.choose([sure, unsure], 0.99, unlisted=0.1)
    seen = balance([sure, unsure], thresholds, 0.1)
    assert (seen.coverage, seen.precision) == (0.5, 1.0)
    assert balance([sure, unsure], grid.choose([sure, unsure], 0.4, unlisted=0.0), 0.0).coverage == 1


def shop(seed: int, *, products: int = 40, photos: int = 25, noise: float = 0.10) -> Answers:
    """A shop whose products differ in how like others they look: right answers lead by a margin of each product's own."""
    draw = np.random.default_rng(seed)
    skus = np.repeat([f"{seed}-{n:03}" for n in range(products)], photos)
    ease = np.repeat(draw.normal(0.25, 0.1, products), photos)
    other = draw.normal(0.45, noise, len(skus)).clip(0, 0.98)
    own = (other + ease + draw.normal(0, noise, len(skus))).clip(0, 1)
    third = other - np.abs(draw.normal(0, 0.05, len(skus)))
    best = np.maximum(own, other)
    lead = best - np.where(own > other, other, np.maximum(own, third))
    return Answers(best, lead, own > other, other, other - third, skus, np.ones(len(skus), bool))


def test_what_is_promised_holds_in_shops_it_was_not_chosen_in() -> None:
    promised, kept = [], []
    for seed in range(12):
        found = fit([shop(seed)], 0.95, unlisted=0.1, folds=5, seed=0)
        assert found.reached
        assert found.seen.precision >= 0.95
        elsewhere = [balance([shop(100 * seed + other)], found.thresholds, 0.1) for other in range(50, 55)]
        promised.append((found.held_out.precision, found.held_out.decided))
        kept.append((np.mean([one.precision for one in elsewhere]), np.mean([one.decided for one in elsewhere])))
    assert np.mean(kept, axis=0) == pytest.approx(np.mean(promised, axis=0), abs=0.02)
    assert np.mean(kept, axis=0)[0] >= 0.95
    assert np.mean(kept, axis=0)[1] > 0.3, "precision is easy where nothing is decided"


def test_promises_are_not_those_of_the_photos_it_was_chosen_on() -> None:
    """With few photos the choice flatters itself; aiming no higher than wanted would break the promise."""
    found = [fit([shop(seed, products=12, photos=4)], 0.95, unlisted=0.1, folds=4, seed=0) for seed in range(20)]
    assert np.mean([one.seen.precision for one in found]) > np.mean([one.held_out.precision for one in found])
    naive, careful = [], []
    for seed, one in enumerate(found):
        own = [shop(seed, products=12, photos=4)]
        chosen = Grid.over(own).choose(own, 0.95, 0.1)
        naive.append(balance([shop(1000 + seed)], chosen, 0.1).precision)
        careful.append(balance([shop(1000 + seed)], one.thresholds, 0.1).precision)
    assert np.mean(careful) > np.mean(naive)


def test_a_product_is_never_on_both_sides() -> None:
    """Photos of both would show that accept must lie above 0.5; photos of the other product alone cannot."""
    easy = group(0.9, 0.3, right=True, without=0.1, sku="easy")
    trap = group(0.5, 0.3, right=False, without=0.1, sku="trap")
    assert Grid.over([joined(easy, trap)]).choose([joined(easy, trap)], 0.9, 0.0).accept > 0.5
    found = fit([joined(easy, trap)], 0.9, unlisted=0.0, folds=2, seed=0)
    assert not found.reached
    assert found.held_out.precision == pytest.approx(0.5)


def test_the_nearest_is_chosen_where_the_wanted_precision_is_out_of_reach() -> None:
    better = replace(shop(3), right=np.random.default_rng(0).random(len(shop(3))) < 0.7)
    found = fit([better], 0.99, unlisted=0.1, folds=5, seed=0)
    assert not found.reached
    assert found.held_out.precision < 0.9
    assert found.seen.decided >= 0.01, "nothing decided would be no answer"


def test_the_same_seed_gives_the_same_thresholds() -> None:
    one, again = (fit([shop(5)], 0.97, unlisted=0.1, folds=5, seed=3) for _ in range(2))
    assert one == again


def test_one_product_cannot_be_held_out() -> None:
    with pytest.raises(InvalidInput, match="at least 2 products"):
        fit([group(0.9, 0.2, right=True, without=0.4)], 0.99, unlisted=0.1, folds=5, seed=0)


def test_how_many_held_out_matches_there_are_and_how_many_would_show_a_mistake() -> None:
    many, few = shop(7), shop(7, products=12, photos=4)
    found = fit([many], 0.95, unlisted=0.1, folds=5, seed=0)
    assert found.matches == round(found.held_out.coverage * len(many))
    assert (found.enough, fit([few], 0.99, unlisted=0.1, folds=4, seed=0).enough) == (20, 100)
