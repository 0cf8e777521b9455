"""Which product a crop shows: `decide` turns typed evidence into one answer, and is pure so that it can be replayed.

Every sighting keeps its candidates, the encoder, the thresholds and what was known beforehand; calling `decide` on them again
gives the same answer, which is what an auditor does. Evidence is a record rather than a list of similarities so that a
barcode or a text read in the crop can join later without changing any caller.

What is known beforehand (the plan of the shelf, else what usually stands there) decides ties and nothing else. Where the
picture alone names a product, that is the answer, however out of place; and what resembles nothing enough stays unknown,
however well it would fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .printed import Printed
from .siblings import Sibling

_ALL_BUT = 0.95
"""Of the similarity that is accepted: from here on the picture has a say against a print."""


class Outcome(StrEnum):
    MATCHED = "matched"
    AMBIGUOUS = "ambiguous"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A product of the catalog and its similarity to the crop, higher is better; several references folded into one. `far`:
    to a reference shrunk to the crop's size, which resembles it more than the sharp one does."""

    sku: str
    similarity: float
    far: bool = False

    def as_dict(self) -> dict[str, Any]:
        kept = {"sku": self.sku, "similarity": self.similarity}
        return kept | {"far": True} if self.far else kept

    @classmethod
    def from_mapping(cls, kept: Mapping[str, Any]) -> Candidate:
        return cls(str(kept["sku"]), float(kept["similarity"]), bool(kept.get("far", False)))


def from_afar(candidates: Sequence[Candidate], far: Mapping[str, float]) -> tuple[Candidate, ...]:
    """The candidates with what shrunk references say (similarity by sku), each product once by the better of both, best
    first, no more of them than there were."""
    both = {one.sku: one for one in candidates}
    for sku, similarity in far.items():
        if sku not in both or similarity > both[sku].similarity:
            both[sku] = Candidate(sku, similarity, far=True)
    return tuple(sorted(both.values(), key=lambda one: -one.similarity)[: len(candidates)])


@dataclass(frozen=True, slots=True)
class Prior:
    """What is known of a shelf before one looks: the products that should be there, by what (`planogram 7`, `usual`), and
    by how much similarity one of them is preferred in a tie."""

    skus: frozenset[str]
    weight: float
    source: str

    def among(self, candidates: Sequence[Candidate]) -> dict[str, Any]:
        """What a sighting keeps of it, which is all that a replay needs: the candidates that were expected."""
        expected = [one.sku for one in candidates if one.sku in self.skus]
        return {"expected": expected, "weight": self.weight, "source": self.source}

    @classmethod
    def from_mapping(cls, kept: Mapping[str, Any]) -> Prior:
        return cls(frozenset(kept["expected"]), float(kept["weight"]), str(kept["source"]))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one crop: candidates from the nearest-neighbour query, best first, what was known beforehand, what the
    print says that was found in it, and a facing of the same photo that looks like it."""

    candidates: tuple[Candidate, ...]
    prior: Prior | None = None
    printed: Printed | None = None
    sibling: Sibling | None = None


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
    """The answer, the sku it names (only when matched), the figures behind it, and the rule in words.

    `similarity` and `margin` are the picture's own: of the product named (else of the best) and its lead over the next, which
    is below zero where what was known beforehand preferred it.
    """

    outcome: Outcome
    sku: str | None
    similarity: float | None
    margin: float | None
    rule: str


def decide(evidence: Evidence, thresholds: Thresholds) -> Decision:
    """Matched if a print says so clearly and the picture does not contradict it, if the best candidate is similar enough and
    leads clearly, if a product expected there does so in a tie, or if a facing beside it confirms the best; ambiguous if none
    does; else unknown."""
    if evidence.printed is not None and evidence.printed.clear:
        return _read(evidence.printed, evidence.candidates, thresholds)
    alone = _resembled(evidence, thresholds)
    if alone.outcome is Outcome.MATCHED or evidence.sibling is None or not evidence.candidates:
        return alone
    if evidence.sibling.sku != evidence.candidates[0].sku:
        return alone
    rule = f"{alone.rule}; {evidence.sibling.rule}"
    return Decision(Outcome.MATCHED, evidence.sibling.sku, alone.similarity, alone.margin, rule)


def _resembled(evidence: Evidence, thresholds: Thresholds) -> Decision:
    """By similarity to the catalog, and by what was known beforehand."""
    if not evidence.candidates:
        return Decision(Outcome.UNKNOWN, None, None, None, "no candidate: the store's active assortment is empty")
    best, margin = evidence.candidates[0], _margin(evidence.candidates)
    if best.similarity < thresholds.accept:
        rule = f"similarity {best.similarity:.3f} is below {thresholds.accept:.3f}"
        return Decision(Outcome.UNKNOWN, None, best.similarity, margin, rule)
    if margin is not None and margin < thresholds.margin:
        rule = f"lead of {margin:.3f} over {evidence.candidates[1].sku} is below {thresholds.margin:.3f}"
        tied = Decision(Outcome.AMBIGUOUS, None, best.similarity, margin, rule)
        return tied if evidence.prior is None else _untied(tied, evidence.candidates, evidence.prior, thresholds)
    lead = "no second candidate" if margin is None else f"lead {margin:.3f} >= {thresholds.margin:.3f}"
    seen = "similarity from afar" if best.far else "similarity"
    rule = f"{seen} {best.similarity:.3f} >= {thresholds.accept:.3f}, {lead}"
    return Decision(Outcome.MATCHED, best.sku, best.similarity, margin, rule)


def _read(printed: Printed, candidates: Sequence[Candidate], thresholds: Thresholds) -> Decision:
    """By its print, unless the picture all but names another product: varieties share most of their print. The figures are
    still the picture's own, as far as the product is among the candidates."""
    similarity = {one.sku: one.similarity for one in candidates}
    own = similarity.pop(printed.sku, None)
    margin = own - max(similarity.values()) if own is not None and similarity else None
    if candidates and candidates[0].sku != printed.sku and candidates[0].similarity >= _ALL_BUT * thresholds.accept:
        best = candidates[0]
        lead = best.similarity - (own or 0.0)
        if lead >= thresholds.margin:
            rule = f"{printed.rule}; the picture resembles {best.sku} by {best.similarity:.3f}, {lead:.3f} more"
            return Decision(Outcome.AMBIGUOUS, None, best.similarity, lead, rule)
    return Decision(Outcome.MATCHED, printed.sku, own, margin, printed.rule)


def _untied(tied: Decision, candidates: Sequence[Candidate], prior: Prior, thresholds: Thresholds) -> Decision:
    """The one expected product that leads all others clearly once the prior's weight is added; else the tie as it was.

    Only what is similar enough, and within the margin of the best, is part of the tie.
    """
    ends = candidates[0].similarity - thresholds.margin
    preferred = {one.sku: one.similarity + prior.weight * (one.sku in prior.skus) for one in candidates}
    first, *others = sorted(candidates, key=lambda one: -preferred[one.sku])
    lead = preferred[first.sku] - preferred[others[0].sku]
    in_the_tie = first.similarity > ends and first.similarity >= thresholds.accept
    if first.sku not in prior.skus or not in_the_tie or lead < thresholds.margin:
        return tied
    own = first.similarity - max(one.similarity for one in others)
    rule = (
        f"{tied.rule}; {first.sku} is expected there ({prior.source}): with {prior.weight:.3f} for that its lead is"
        f" {lead:.3f} >= {thresholds.margin:.3f}"
    )
    return Decision(Outcome.MATCHED, first.sku, first.similarity, own, rule)


def _margin(candidates: Sequence[Candidate]) -> float | None:
    return candidates[0].similarity - candidates[1].similarity if len(candidates) > 1 else None
