"""Which product a crop shows: `decide` turns typed evidence into one answer, and is pure so that it can be replayed.

Every sighting keeps its candidates, the encoder and the thresholds it was decided with; calling `decide` on them again
gives the same answer, which is what an auditor does. Evidence is a record rather than a list of similarities so that a
barcode or a text read in the crop can join later without changing any caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    MATCHED = "matched"
    AMBIGUOUS = "ambiguous"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A product of the catalog and its similarity to the crop, higher is better; several references folded into one."""

    sku: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one crop: candidates from the nearest-neighbour query, best first."""

    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Calibrated with the encoder: least similarity to be known at all, least lead of the best over the second."""

    accept: float
    margin: float

    def as_dict(self) -> dict[str, float]:
        return {"accept": self.accept, "margin": self.margin}

    @classmethod
    def from_mapping(cls, values: Mapping[str, float]) -> Thresholds:
        return cls(accept=float(values["accept"]), margin=float(values["margin"]))


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, the sku it names (only when matched), the figures behind it, and the rule in words."""

    outcome: Outcome
    sku: str | None
    similarity: float | None
    margin: float | None
    rule: str


def decide(evidence: Evidence, thresholds: Thresholds) -> Decision:
    """Matched if the best candidate is similar enough and leads clearly; ambiguous if it does not lead; else unknown."""
    if not evidence.candidates:
        return Decision(Outcome.UNKNOWN, None, None, None, "no candidate: the store's active assortment is empty")
    best, margin = evidence.candidates[0], _margin(evidence.candidates)
    if best.similarity < thresholds.accept:
        rule = f"similarity {best.similarity:.3f} is below {thresholds.accept:.3f}"
        return Decision(Outcome.UNKNOWN, None, best.similarity, margin, rule)
    if margin is not None and margin < thresholds.margin:
        rule = f"lead of {margin:.3f} over {evidence.candidates[1].sku} is below {thresholds.margin:.3f}"
        return Decision(Outcome.AMBIGUOUS, None, best.similarity, margin, rule)
    lead = "no second candidate" if margin is None else f"lead {margin:.3f} >= {thresholds.margin:.3f}"
    rule = f"similarity {best.similarity:.3f} >= {thresholds.accept:.3f}, {lead}"
    return Decision(Outcome.MATCHED, best.sku, best.similarity, margin, rule)


def _margin(candidates: Sequence[Candidate]) -> float | None:
    return candidates[0].similarity - candidates[1].similarity if len(candidates) > 1 else None
