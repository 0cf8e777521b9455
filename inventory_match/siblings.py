"""A second round over the crops of a photo: what stayed open is decided by a facing that was not (`domain.siblings`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from inventory_match.db.sightings import Sighted
from inventory_match.domain.counting import Answer
from inventory_match.domain.matching import Candidate, Decision, Evidence, Outcome, decide
from inventory_match.domain.siblings import LEAST_SIBLING, Sibling

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inventory_match.domain.matching import Thresholds


@dataclass(frozen=True, slots=True)
class Crop:
    """A crop that the catalog was asked about: its embedding, shape (dim,), of length 1, and what came of it."""

    embedding: NDArray[np.float32]
    candidates: Sequence[Candidate]
    decision: Decision


def siblings(crops: Sequence[Crop]) -> list[Sibling | None]:
    """For each open crop of one photo the one that resembles it most of those named what the catalog puts first for it."""
    named = [one for one in crops if one.decision.sku is not None and one.decision.similarity is not None]
    return [None if one.decision.sku is not None else _nearest(one, named) for one in crops]


def _nearest(one: Crop, named: Sequence[Crop]) -> Sibling | None:
    if not one.candidates:
        return None
    first = one.candidates[0].sku
    alike = [(float(one.embedding @ other.embedding), other) for other in named if other.decision.sku == first]
    similarity, best = max(alike, key=lambda pair: pair[0], default=(0.0, one))
    if similarity < LEAST_SIBLING or best.decision.similarity is None:
        return None
    return Sibling(first, round(similarity, 4), best.decision.similarity)


def by_siblings(sighted: Sequence[Sighted], thresholds: Thresholds) -> list[Sighted]:
    """The sightings of one photo; those that were decided, or that no catalog was asked about, are handed back as they are.

    Only what the catalog named by similarity names others: a chain of likenesses could lead anywhere.
    """
    asked = {
        number: Crop(one.embedding, one.candidates, one.decision)
        for number, one in enumerate(sighted)
        if one.embedding is not None and one.decision is not None and not (one.sku and one.printed)
    }
    found = dict(zip(asked, siblings(list(asked.values())), strict=True))
    return [_again(one, sibling, thresholds) if (sibling := found.get(n)) else one for n, one in enumerate(sighted)]


def _again(one: Sighted, sibling: Sibling, thresholds: Thresholds) -> Sighted:
    decision = decide(Evidence(one.candidates, one.prior, one.printed, sibling), thresholds)
    answer = Answer.PRODUCT if decision.outcome is Outcome.MATCHED else one.answer
    return replace(one, answer=answer, rule=decision.rule, decision=decision, sibling=sibling)
