"""Open crops and the facings beside them: what looks the same is the same, where the catalog agrees."""

from __future__ import annotations

import numpy as np
import pytest

from inventory_match.db.sightings import Sighted
from inventory_match.domain.counting import Answer
from inventory_match.domain.matching import Candidate, Evidence, Outcome, Thresholds, decide
from inventory_match.domain.photos import Box
from inventory_match.domain.printed import Printed
from inventory_match.siblings import by_siblings

THRESHOLDS = Thresholds(accept=0.8, margin=0.05)
JAM, TEA = (Candidate("jam", 0.9), Candidate("tea", 0.3)), (Candidate("tea", 0.9), Candidate("jam", 0.3))
DULL_JAM = (Candidate("jam", 0.7), Candidate("tea", 0.2))


def crop(position: int, candidates: tuple[Candidate, ...], degrees: float, printed: Printed | None = None) -> Sighted:
    """A crop whose embedding points so far from that of a good jam."""
    decision = decide(Evidence(candidates, printed=printed), THRESHOLDS)
    answer = Answer.PRODUCT if decision.outcome is Outcome.MATCHED else Answer.UNKNOWN
    vector = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], np.float32)
    box = Box(0.1 * position, 0.0, 0.1 * position + 0.1, 1.0)
    return Sighted(position, box, answer, decision.rule, decision, candidates, None, vector, printed)


def test_what_looks_like_a_named_facing_is_another_of_it_and_keeps_why() -> None:
    good, dull = crop(1, JAM, 0), crop(2, DULL_JAM, 10)
    assert dull.sku is None
    first, second = by_siblings([good, dull], THRESHOLDS)
    assert first is good
    assert (second.sku, second.answer) == ("jam", Answer.PRODUCT)
    assert second.sibling is not None
    assert (
        second.rule == "similarity 0.700 is below 0.800; like a facing beside it (0.985) that was known as jam by 0.900"
    )
    assert second.decision == decide(Evidence(second.candidates, sibling=second.sibling), THRESHOLDS), "replayed"
    assert second.decision is not None
    assert second.decision.similarity == pytest.approx(0.7), "the figures stay the picture's own"


@pytest.mark.parametrize(
    ("named", "candidates", "degrees"),
    [
        (JAM, DULL_JAM, 40),  # it looks different
        (TEA, DULL_JAM, 0),  # the catalog puts another product first
        (JAM, (), 0),  # the catalog is empty
        (DULL_JAM, DULL_JAM, 0),  # nobody was named
    ],
)
def test_everything_else_stays_open(
    named: tuple[Candidate, ...], candidates: tuple[Candidate, ...], degrees: float
) -> None:
    both = [crop(1, named, 0), crop(2, candidates, degrees)]
    assert by_siblings(both, THRESHOLDS) == both


def test_likeness_is_no_chain_and_a_print_names_nobody_else() -> None:
    chain = [crop(1, JAM, 0), crop(2, DULL_JAM, 20), crop(3, DULL_JAM, 40)]
    assert [one.sku for one in by_siblings(chain, THRESHOLDS)] == ["jam", "jam", None]
    read = crop(1, DULL_JAM, 0, Printed("jam", 40, 0.9))
    assert [one.sku for one in by_siblings([read, crop(2, DULL_JAM, 0)], THRESHOLDS)] == ["jam", None]


def test_a_void_or_a_covered_place_is_left_alone() -> None:
    void = Sighted(2, Box(0, 0, 1, 1), Answer.VOID, "empty")
    assert by_siblings([crop(1, JAM, 0), void], THRESHOLDS)[1] is void
