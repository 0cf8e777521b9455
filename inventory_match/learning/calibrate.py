"""Finds an encoder's thresholds from what the search answered to labelled photos: how many can be decided, how few wrongly.

Each query counts twice: with its product in the catalog, and with its product taken out of the answers, as if the shop had
never listed it. Of all pairs (accept, margin) on a grid over the similarities there are, the one is chosen that matches most
while what it matches is right often enough, products nobody listed being a given share of what a camera sees.

The best of many pairs flatters itself on the photos it was chosen on. So the products are dealt into folds; thresholds
chosen on the others are tried on each, and these held-out answers are what is promised. Where they fall short of the wanted
precision, the choice aims higher until they do (`fit`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from inventory_match.domain.errors import InvalidInput
from inventory_match.domain.matching import Thresholds
from inventory_match.learning.figures import NOTHING, Answered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

STEPS = (200, 40)
"""How many values of accept and of margin are tried, each at a quantile of what there is."""
WIDEST_MARGIN = 0.6
"""Quantile of leads: a margin that most right answers do not have would decide nothing."""
LEAST_DECIDED = 0.01
"""Share of what a camera sees that must be decided before a precision is believed."""
AIMS = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
"""How far between the wanted precision and 1 the choice aims, in turn."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the search answered to n queries, arrays of shape (n,): similarity of the best product, its lead over the second,
    whether it was the right one; similarity and lead again with the right product taken out; the query's own sku, and whether
    the catalog lists it."""

    best: Floats
    lead: Floats
    right: Bools
    best_without: Floats
    lead_without: Floats
    sku: NDArray[np.str_]
    listed: Bools

    def only(self, chosen: Bools) -> Answers:
        """Those queries where `chosen`, shape (n,), is true."""
        return Answers(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self.best)


@dataclass(frozen=True, slots=True)
class Balance:
    """How thresholds do. `right`, `wrong`: shares of photos of listed products matched so; `fooled`: share of photos of
    unlisted products that are matched; `unlisted`: the share of these among what a camera sees."""

    right: float
    wrong: float
    fooled: float
    unlisted: float

    @property
    def coverage(self) -> float:
        """Share of photos of listed products that are matched."""
        return self.right + self.wrong

    @property
    def decided(self) -> float:
        """Share of all a camera sees that is matched without a person."""
        return (1 - self.unlisted) * self.coverage + self.unlisted * self.fooled

    @property
    def mistaken(self) -> float:
        """Share of all a camera sees that is matched wrongly."""
        return (1 - self.unlisted) * self.wrong + self.unlisted * self.fooled

    @property
    def to_people(self) -> float:
        """Share of all a camera sees that a person is asked about: ambiguous, or unknown."""
        return 1 - self.decided

    @property
    def precision(self) -> float:
        """Share of all matches that are right; 1 where nothing is matched."""
        return 1 - self.mistaken / self.decided if self.decided else 1.0


@dataclass(frozen=True, slots=True)
class Fit:
    """Thresholds for a wanted precision: how they do on the photos they were chosen on (`seen`), and how thresholds chosen in
    the same way do on products they were not chosen on (`held_out`), of which they matched `matches` photos."""

    wanted: float
    thresholds: Thresholds
    seen: Balance
    held_out: Balance
    matches: int

    @property
    def enough(self) -> int:
        """Held-out matches from which on a single wrong one would show that the wanted precision does not hold."""
        return ceil(round(1 / (1 - self.wanted), 6))

    @property
    def reached(self) -> bool:
        return self.held_out.precision >= self.wanted and self.held_out.decided >= LEAST_DECIDED


def answers(answered: Sequence[Answered], skus: Sequence[str]) -> Answers:
    """`skus`: the product each query shows, listed or not. Raises InvalidInput where the catalog has under 3 products."""
    if any(len(one.candidates) < 3 for one in answered) or not any(one.known for one in answered):
        raise InvalidInput("calibration needs references of at least 3 products, and queries that show some of them")
    found = [[one.similarity for one in query.candidates] for query in answered]
    without = [
        [one.similarity for one in query.candidates if one.sku != sku]
        for query, sku in zip(answered, skus, strict=True)
    ]
    return Answers(
        *_leads(found),
        np.array([one.right for one in answered]),
        *_leads(without),
        np.array(skus),
        np.array([one.known for one in answered]),
    )


def _leads(similarities: Sequence[Sequence[float]]) -> tuple[Floats, Floats]:
    best, second = np.array([one[:2] for one in similarities], np.float64).T
    return best, best - second


def balance(groups: Sequence[Answers], thresholds: Thresholds, unlisted: float) -> Balance:
    """How `thresholds` do on the groups, each of which weighs the same."""
    grid = Grid(np.array([thresholds.accept]), np.array([thresholds.margin]))
    right, wrong, fooled = grid.shares(groups)
    return Balance(float(right[0, 0]), float(wrong[0, 0]), float(fooled[0, 0]), unlisted)


@dataclass(frozen=True, slots=True)
class Grid:
    """The thresholds that are tried: `accepts` (a,) and `margins` (m,), both rising."""

    accepts: Floats
    margins: Floats

    @classmethod
    def over(cls, groups: Sequence[Answers]) -> Grid:
        """At quantiles of the similarities and leads there are, rounded to four digits."""
        similar = np.concatenate([part for one in groups for part in (one.best, one.best_without)])
        leads = np.concatenate([one.lead for one in groups])
        accepts = np.quantile(similar[similar > NOTHING], np.linspace(0, 1, STEPS[0]))
        margins = np.quantile(leads, np.linspace(0, WIDEST_MARGIN, STEPS[1]))
        return cls(np.unique(accepts.round(4)), np.unique(np.append(margins.round(4), 0.0)))

    def shares(self, groups: Sequence[Answers]) -> tuple[Floats, Floats, Floats]:
        """Shares matched rightly, wrongly, and of unlisted products; shape (a, m) each, the mean of the groups."""
        listed = [group for group in groups if group.listed.any()]
        right = [self._passed(g.best, g.lead, g.right) / g.listed.sum() for g in listed]
        wrong = [self._passed(g.best, g.lead, g.listed & ~g.right) / g.listed.sum() for g in listed]
        everything = [np.ones(len(g), bool) for g in groups]
        fooled = [
            self._passed(g.best_without, g.lead_without, every) / len(g)
            for g, every in zip(groups, everything, strict=True)
        ]
        return np.mean(right, axis=0), np.mean(wrong, axis=0), np.mean(fooled, axis=0)

    def _passed(self, best: Floats, lead: Floats, counted: Bools) -> Floats:
        """How many of `counted` pass each pair of thresholds: a histogram, summed from its far corner."""
        shape = len(self.accepts) + 1, len(self.margins) + 1
        accepts = np.searchsorted(self.accepts, best[counted], side="right")
        margins = np.searchsorted(self.margins, lead[counted], side="right")
        counts = np.bincount(np.ravel_multi_index((accepts, margins), shape), minlength=shape[0] * shape[1])
        passed: Floats = counts.reshape(shape)[::-1, ::-1].cumsum(0).cumsum(1)[::-1, ::-1][1:, 1:].astype(np.float64)
        return passed

    def choose(self, groups: Sequence[Answers], precision: float, unlisted: float) -> Thresholds:
        """Most decided at that precision; where no pair reaches it, the most precise. At least LEAST_DECIDED are decided."""
        right, wrong, fooled = self.shares(groups)
        decided = (1 - unlisted) * (right + wrong) + unlisted * fooled
        precise = np.divide((1 - unlisted) * right, decided, out=np.zeros_like(decided), where=decided > 0)
        precise[decided < LEAST_DECIDED] = -1
        enough = precise >= min(precision, float(precise.max())) - 1e-12
        accept, margin = np.unravel_index(np.where(enough, decided, -1).argmax(), decided.shape)
        return Thresholds(float(self.accepts[accept]), float(self.margins[margin]))


def fit(groups: Sequence[Answers], precision: float, *, unlisted: float, folds: int, seed: int) -> Fit:
    """Thresholds whose held-out precision is the wanted one or better; the nearest to it where there are none (`reached`).

    `folds`: into how many parts products are dealt, at random by `seed`. Raises InvalidInput for queries of one product.
    """
    grid = Grid.over(groups)
    parts = _folds(groups, folds, seed)
    tried: list[Fit] = []
    for share in AIMS:
        aim = precision + share * (1 - precision)
        thresholds = grid.choose(groups, aim, unlisted)
        held_out, matches = _held_out(grid, groups, parts, aim, unlisted)
        tried.append(Fit(precision, thresholds, balance(groups, thresholds, unlisted), held_out, matches))
        if tried[-1].reached:
            return tried[-1]
    return max(tried, key=lambda one: (one.held_out.decided >= LEAST_DECIDED, one.held_out.precision))


def _folds(groups: Sequence[Answers], folds: int, seed: int) -> list[NDArray[np.int64]]:
    """For each group the fold of each query, shape (n,): all photos of a product are in one, whatever group they are in."""
    skus = np.unique(np.concatenate([group.sku for group in groups]))
    if len(skus) < 2:
        raise InvalidInput("calibration needs queries that show at least 2 products: one part is held out")
    dealt = np.random.default_rng(seed).permutation(len(skus)) % min(folds, len(skus))
    return [dealt[np.searchsorted(skus, group.sku)] for group in groups]


def _held_out(
    grid: Grid, groups: Sequence[Answers], parts: Sequence[NDArray[np.int64]], aim: float, unlisted: float
) -> tuple[Balance, int]:
    """Each fold judged by thresholds chosen on the others; the groups weigh the same. And how many photos were matched."""
    matched = [np.zeros(len(group), bool) for group in groups]
    fooled = [np.zeros(len(group), bool) for group in groups]
    for fold in range(1 + max(int(part.max()) for part in parts)):
        others = [group.only(part != fold) for group, part in zip(groups, parts, strict=True)]
        others = [group for group in others if group.listed.any()]
        if not others:
            continue
        chosen = grid.choose(others, aim, unlisted)
        for group, part, matches, fools in zip(groups, parts, matched, fooled, strict=True):
            held = part == fold
            matches[held] = ((group.best >= chosen.accept) & (group.lead >= chosen.margin))[held]
            fools[held] = ((group.best_without >= chosen.accept) & (group.lead_without >= chosen.margin))[held]
    rows = [
        ((m & g.right).sum() / g.listed.sum(), (m & g.listed & ~g.right).sum() / g.listed.sum(), f.mean())
        for g, m, f in zip(groups, matched, fooled, strict=True)
    ]
    right, wrong, passed = (float(mean) for mean in np.mean(rows, axis=0))
    return Balance(right, wrong, passed, unlisted), sum(int(one.sum()) for one in matched)
