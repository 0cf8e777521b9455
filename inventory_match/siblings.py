"""A second round over the crops of a photo: what stayed open is decided by a facing that was not (`domain.siblings`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from inventory_match.db.sightings import Sighted
from inventory_match.domain.counting import Answer
from inventory_match.domain.matching import Evidence, Outcome, decide
from inventory_match.domain.siblings import LEAST_SIBLING, Sibling

if TYPE_CHECKING:
    from inventory_match.domain.matching import Thresholds


def by_siblings(sighted: Sequence[Sighted], thresholds: Thresholds) -> list[Sighted]:
    """The sightings of one photo, embeddings of length 1; those that were decided are handed back as they are.

    Only what the catalog named by similarity names others: a chain of likenesses could lead anywhere.
    """
    named = [one for one in sighted if one.sku is not None and one.printed is None]
    return [one if one.sku is not None else _again(one, named, thresholds) for one in sighted]


def _again(one: Sighted, named: Sequence[Sighted], thresholds: Thresholds) -> Sighted:
    sibling = _nearest(one, named)
    if sibling is None:
        return one
    decision = decide(Evidence(one.candidates, one.prior, one.printed, sibling), thresholds)
    answer = Answer.PRODUCT if decision.outcome is Outcome.MATCHED else one.answer
    return replace(one, answer=answer, rule=decision.rule, decision=decision, sibling=sibling)


def _nearest(one: Sighted, named: Sequence[Sighted]) -> Sibling | None:
    """The named facing that resembles it most, of those known as what the catalog puts first for it."""
    if one.embedding is None or not one.candidates:
        return None
    alike = [
        Sibling(other.sku, round(float(np.dot(one.embedding, other.embedding)), 4), other.decision.similarity)
        for other in named
        if other.sku == one.candidates[0].sku
        and other.embedding is not None
        and other.decision is not None
        and other.decision.similarity is not None
    ]
    best = max(alike, key=lambda sibling: sibling.similarity, default=None)
    return best if best is not None and best.similarity >= LEAST_SIBLING else None
