"""`decide`: what it answers, and that an auditor gets the same answer from what is stored."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_match.domain.matching import Candidate, Decision, Evidence, Outcome, Prior, Thresholds, decide, from_afar
from inventory_match.domain.printed import Printed

SIMILARITY = st.floats(-1, 1, allow_nan=False)
THRESHOLDS = st.builds(Thresholds, accept=SIMILARITY, margin=st.floats(0, 2))


PRIORS = st.none() | st.builds(
    Prior,
    skus=st.frozensets(st.integers(0, 7).map("sku-{}".format)),
    weight=st.floats(0, 2),
    source=st.sampled_from(["planogram 7", "usual"]),
)


@st.composite
def evidence(draw: st.DrawFn) -> Evidence:
    similarities = sorted(draw(st.lists(SIMILARITY, max_size=6)), reverse=True)
    return of(*similarities, prior=draw(PRIORS))


def of(*similarities: float, prior: Prior | None = None) -> Evidence:
    return Evidence(tuple(Candidate(f"sku-{i}", similarity) for i, similarity in enumerate(similarities)), prior)


def expecting(*numbers: int, weight: float = 0.125) -> Prior:
    return Prior(frozenset(f"sku-{number}" for number in numbers), weight, "planogram 7")


@pytest.mark.parametrize(
    ("similarities", "outcome"),
    [
        ((), Outcome.UNKNOWN),
        ((0.9,), Outcome.MATCHED),
        ((0.9, 0.7), Outcome.MATCHED),
        ((0.9, 0.85), Outcome.AMBIGUOUS),
        ((0.5, 0.1), Outcome.UNKNOWN),
        ((0.5, 0.49), Outcome.UNKNOWN),
        ((0.75, 0.625), Outcome.MATCHED),  # exactly on both thresholds, which binary floats hold exactly
    ],
)
def test_outcomes(similarities: tuple[float, ...], outcome: Outcome) -> None:
    decision = decide(of(*similarities), Thresholds(accept=0.75, margin=0.125))

    assert decision.outcome is outcome
    assert decision.sku == ("sku-0" if outcome is Outcome.MATCHED else None)


def test_the_rule_names_the_figures_and_the_rival() -> None:
    thresholds = Thresholds(accept=0.7, margin=0.1)

    assert decide(of(0.5), thresholds).rule == "similarity 0.500 is below 0.700"
    assert decide(of(0.9, 0.85), thresholds).rule == "lead of 0.050 over sku-1 is below 0.100"
    assert decide(of(0.9), thresholds).rule == "similarity 0.900 >= 0.700, no second candidate"
    assert "assortment is empty" in decide(of(), thresholds).rule


@given(evidence(), THRESHOLDS)
def test_replaying_what_is_stored_gives_the_same_decision(given_: Evidence, thresholds: Thresholds) -> None:
    stored = json.dumps(
        {
            "candidates": [{"sku": one.sku, "similarity": one.similarity} for one in given_.candidates],
            "thresholds": thresholds.as_dict(),
            "prior": given_.prior and given_.prior.among(given_.candidates),
        }
    )
    read = json.loads(stored)
    again: Decision = decide(
        Evidence(
            tuple(Candidate(one["sku"], one["similarity"]) for one in read["candidates"]),
            read["prior"] and Prior.from_mapping(read["prior"]),
        ),
        Thresholds.from_mapping(read["thresholds"]),
    )

    assert again == decide(given_, thresholds)


@given(evidence(), THRESHOLDS, st.floats(0, 1), st.floats(0, 1))
def test_stricter_thresholds_never_match_more(
    given_: Evidence, thresholds: Thresholds, accept: float, margin: float
) -> None:
    stricter = Thresholds(thresholds.accept + accept, thresholds.margin + margin)

    if decide(replace(given_, prior=None), stricter).outcome is Outcome.MATCHED:
        assert decide(given_, thresholds).outcome is Outcome.MATCHED


LIMITS = Thresholds(accept=0.5, margin=0.125)


@pytest.mark.parametrize(
    ("similarities", "expected", "sku"),
    [
        ((0.75, 0.6875), (0,), "sku-0"),  # a tie is decided by what should be there
        ((0.75, 0.75), (1,), "sku-1"),  # whichever of the two it is
        ((0.75, 0.6875), (1,), None),  # but by a little only: it is behind by half the margin
        ((0.75, 0.6875), (0, 1), None),  # both should be there: still a tie
        ((0.75, 0.6875), (), None),
        ((0.75, 0.6875), (7,), None),  # what should be there and is not among the candidates changes nothing
        ((0.75, 0.75, 0.75), (2,), "sku-2"),
    ],
)
def test_what_is_expected_there_decides_a_tie(
    similarities: tuple[float, ...], expected: tuple[int, ...], sku: str | None
) -> None:
    assert decide(of(*similarities), LIMITS).outcome is Outcome.AMBIGUOUS

    decision = decide(of(*similarities, prior=expecting(*expected)), LIMITS)

    assert decision.sku == sku
    assert decision.outcome is (Outcome.MATCHED if sku else Outcome.AMBIGUOUS)


def test_the_rule_says_what_was_known_beforehand_and_what_it_weighed() -> None:
    decision = decide(of(0.75, 0.73, prior=expecting(1, weight=0.15)), LIMITS)

    assert decision.rule == (
        "lead of 0.020 over sku-1 is below 0.125; sku-1 is expected there (planogram 7): with 0.150 for that its lead is"
        " 0.130 >= 0.125"
    )
    assert decision.similarity == 0.73, "the picture's own"
    assert decision.margin == pytest.approx(-0.02)


def test_what_resembles_an_expected_product_too_little_stays_unknown() -> None:
    assert decide(of(0.45, prior=expecting(0)), LIMITS).outcome is Outcome.UNKNOWN
    assert decide(of(0.55, 0.45, prior=expecting(1, weight=2.0)), LIMITS).sku is None, "nor is it pulled up in a tie"


@given(evidence(), THRESHOLDS)
def test_a_product_out_of_place_is_never_hidden(given_: Evidence, thresholds: Thresholds) -> None:
    """Whatever is expected, and however much that weighs: what the picture alone answers clearly stays the answer."""
    alone = decide(replace(given_, prior=None), thresholds)

    if alone.outcome is not Outcome.AMBIGUOUS:
        assert decide(given_, thresholds) == alone


def test_a_clear_print_says_more_than_a_resemblance() -> None:
    print_, thresholds = Printed("b", 40, 0.9), Thresholds(accept=0.9, margin=0.1)
    decision = decide(Evidence((Candidate("a", 0.85), Candidate("b", 0.5)), printed=print_), thresholds)
    assert (decision.outcome, decision.sku, decision.similarity) == (Outcome.MATCHED, "b", 0.5)
    assert decision.margin == pytest.approx(-0.35)
    assert "print of b: 40 details" in decision.rule
    unseen = decide(Evidence((Candidate("a", 0.85),), printed=print_), thresholds)
    assert (unseen.sku, unseen.similarity, unseen.margin) == ("b", None, None)


@pytest.mark.parametrize(("own", "outcome"), [(0.6, Outcome.AMBIGUOUS), (0.84, Outcome.MATCHED)])
def test_a_print_that_the_picture_contradicts_goes_to_people(own: float, outcome: Outcome) -> None:
    """Varieties share most of their print; a lead within the margin contradicts nothing."""
    evidence = Evidence((Candidate("a", 0.88), Candidate("b", own)), printed=Printed("b", 40, 0.9))
    decision = decide(evidence, Thresholds(accept=0.9, margin=0.1))
    assert decision.outcome is outcome
    assert ("the picture resembles a by 0.880" in decision.rule) is (outcome is Outcome.AMBIGUOUS)


def test_two_prints_that_claim_one_place_leave_it_to_the_picture() -> None:
    torn = Printed("b", 40, 0.9, "c", 0.95)
    decision = decide(
        Evidence((Candidate("a", 0.95), Candidate("b", 0.6)), printed=torn), Thresholds(accept=0.9, margin=0.1)
    )
    assert decision.sku == "a"


def test_what_is_seen_from_afar_joins_the_candidates_by_the_better_of_both() -> None:
    near = (Candidate("a", 0.7), Candidate("b", 0.6), Candidate("c", 0.5))
    joined = from_afar(near, {"b": 0.9, "a": 0.65, "d": 0.55})
    assert joined == (Candidate("b", 0.9, far=True), Candidate("a", 0.7), Candidate("d", 0.55, far=True))
    assert tuple(Candidate.from_mapping(one.as_dict()) for one in joined) == joined, "kept, and read again"
    decision = decide(Evidence(joined), Thresholds(accept=0.8, margin=0.1))
    assert (decision.sku, decision.rule) == ("b", "similarity from afar 0.900 >= 0.800, lead 0.200 >= 0.100")
    assert from_afar((), {"a": 0.9}) == (), "a catalog without candidates has none from afar"
