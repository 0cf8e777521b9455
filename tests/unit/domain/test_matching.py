"""`decide`: what it answers, and that an auditor gets the same answer from what is stored."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_match.domain.matching import Candidate, Decision, Evidence, Outcome, Thresholds, decide

SIMILARITY = st.floats(-1, 1, allow_nan=False)
THRESHOLDS = st.builds(Thresholds, accept=SIMILARITY, margin=st.floats(0, 2))


@st.composite
def evidence(draw: st.DrawFn) -> Evidence:
    similarities = sorted(draw(st.lists(SIMILARITY, max_size=6)), reverse=True)
    return Evidence(tuple(Candidate(f"sku-{i}", similarity) for i, similarity in enumerate(similarities)))


def of(*similarities: float) -> Evidence:
    return Evidence(tuple(Candidate(f"sku-{i}", similarity) for i, similarity in enumerate(similarities)))


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
        }
    )
    read = json.loads(stored)
    again: Decision = decide(
        Evidence(tuple(Candidate(one["sku"], one["similarity"]) for one in read["candidates"])),
        Thresholds.from_mapping(read["thresholds"]),
    )

    assert again == decide(given_, thresholds)


@given(evidence(), THRESHOLDS, st.floats(0, 1), st.floats(0, 1))
def test_stricter_thresholds_never_match_more(
    given_: Evidence, thresholds: Thresholds, accept: float, margin: float
) -> None:
    stricter = Thresholds(thresholds.accept + accept, thresholds.margin + margin)

    if decide(given_, stricter).outcome is Outcome.MATCHED:
        assert decide(given_, thresholds).outcome is Outcome.MATCHED
