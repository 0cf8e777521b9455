"""What people may answer about a sighting, and when an answer would poison the catalog.

A wrong reference does harm far from where it was made: every later crop near it is matched wrongly. So an answer that the
references themselves contradict needs a person who insists.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from .matching import Candidate, Evidence, Outcome, Thresholds, decide

CONTRADICTING_LEAD = 0.25
"""So much more similar to another product than to the one named, and the answer looks like a slip. Ambiguous sightings differ
by a tenth of that, and a new package of a known product is rarely this near to another."""


class Verdict(StrEnum):
    PRODUCT = "product"
    NONE = "none"
    UNDONE = "undone"


def contradiction(
    sku: str, nearest: Sequence[Candidate], own: float | None, thresholds: Thresholds
) -> Candidate | None:
    """The product that the crop looks like instead of `sku`, or None where nothing speaks against the answer.

    `nearest`: the two products nearest to the crop, best first. `own`: similarity to the references of `sku`, None where it
    has none. It is contradicted where the catalog by itself would decide for another product, or another leads by far.
    """
    decision = decide(Evidence(tuple(nearest)), thresholds)
    if decision.outcome is Outcome.MATCHED and decision.sku != sku:
        return nearest[0]
    other = next((candidate for candidate in nearest if candidate.sku != sku), None)
    far = other is not None and own is not None and other.similarity - own > CONTRADICTING_LEAD
    return other if far else None
