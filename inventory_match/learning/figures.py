"""The figures of an evaluation, computed from what the database and `decide` answered to each query. Pure.

- top1, top5: share of known queries (their product is in the catalog) whose product is the first, or among the first five,
  of the candidates; thresholds play no part.
- map_at_r: mean over known queries of average precision at R, R being the number of references of the query's product
  (Musgrave, Belongie, Lim: A Metric Learning Reality Check, ECCV 2020): 1/R times the sum of precision(i) over those ranks
  i <= R at which a reference of that product stands.
- macro_f1: F1 of the decision (a product, or unknown; ambiguous counts as unknown), averaged over the products asked for and,
  where queries are unknown, over `unknown`, each weighing the same (scikit-learn, `f1_score(average="macro")`).
- f1: F1 of the decisions for a product, all queries weighing the same: the harmonic mean of precision (right matches of all
  matches, an unknown product that was matched being a wrong one) and recall (right matches of all known queries)
  (scikit-learn, `f1_score(average="micro")` over the products, `unknown` not being one of them).
- mape: mean, over the products that known queries show, of |matches - queries| / queries: how far off counts taken from these
  decisions would be; a share (0.1: 10 %), and null without known queries (scikit-learn, `mean_absolute_percentage_error`).
- roc_auc_known: area under the ROC curve of the best similarity as a sign that the product is in the catalog (scikit-learn,
  `roc_auc_score`); null where all queries are known, or none is.
- coverage_at_precision_99: largest share of all queries, those of greatest best similarity first, whose first candidates
  are right in at least 99 % of cases; queries of equal similarity come together. Selective prediction's coverage at a risk
  of 1 % (Geifman, El-Yaniv: Selective Classification for Deep Neural Networks, NeurIPS 2017).
- images_per_second: queries decoded, embedded, searched and decided, per second of wall time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inventory_match.domain.matching import Candidate

UNKNOWN = ""
"""Stands beside the skus as an answer; no sku is empty."""
NOTHING = -1.0
"""The similarity of the best candidate where there is none."""
PRECISION = 0.99


@dataclass(frozen=True, slots=True)
class Answered:
    """One query. `truth` and `decided` are a sku or UNKNOWN; `candidates` what the search found, best first. `references`:
    skus of the R nearest references, R as many as there are of `truth`."""

    truth: str
    decided: str
    candidates: tuple[Candidate, ...]
    references: tuple[str, ...] = ()

    @property
    def first(self) -> str:
        """The sku of the best candidate, or UNKNOWN."""
        return self.candidates[0].sku if self.candidates else UNKNOWN

    @property
    def similarity(self) -> float:
        return self.candidates[0].similarity if self.candidates else NOTHING

    @property
    def known(self) -> bool:
        return self.truth != UNKNOWN

    @property
    def right(self) -> bool:
        return self.known and self.first == self.truth


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares lie in 0..1; None where a figure has no meaning for these queries."""

    top1: float | None
    top5: float | None
    map_at_r: float | None
    macro_f1: float
    f1: float
    mape: float | None
    roc_auc_known: float | None
    coverage_at_precision_99: float
    n_queries: int
    n_references: int
    images_per_second: float


def figures(answered: Sequence[Answered], n_references: int, seconds: float) -> Figures:
    """`answered` must hold at least one query; `seconds`: how long all of them took."""
    known = [one for one in answered if one.known]
    return Figures(
        top1=_mean([one.right for one in known]),
        top5=_mean([one.truth in [found.sku for found in one.candidates[:5]] for one in known]),
        map_at_r=_mean([average_precision_at_r(one.references, one.truth) for one in known]),
        macro_f1=macro_f1(answered),
        f1=f1(answered),
        mape=mape(answered),
        roc_auc_known=roc_auc_known(answered),
        coverage_at_precision_99=coverage_at_precision(answered),
        n_queries=len(answered),
        n_references=n_references,
        images_per_second=len(answered) / seconds,
    )


def average_precision_at_r(references: Sequence[str], truth: str) -> float:
    """`references`: skus of the R nearest references, nearest first, R >= 1."""
    hits = np.array([sku == truth for sku in references], float)
    precision = hits.cumsum() / np.arange(1, len(hits) + 1)
    return float((precision * hits).sum() / len(hits))


def macro_f1(answered: Sequence[Answered]) -> float:
    from sklearn.metrics import f1_score

    truth, decided = [one.truth for one in answered], [one.decided for one in answered]
    return float(f1_score(truth, decided, labels=sorted(set(truth)), average="macro", zero_division=0))


def f1(answered: Sequence[Answered]) -> float:
    matched = sum(one.decided != UNKNOWN for one in answered)
    right = sum(one.known and one.decided == one.truth for one in answered)
    asked = sum(one.known for one in answered)
    return 2 * right / (matched + asked) if matched + asked else 0.0


def mape(answered: Sequence[Answered]) -> float | None:
    shown = Counter(one.truth for one in answered if one.known)
    counted = Counter(one.decided for one in answered)
    return _mean([abs(counted[sku] - queries) / queries for sku, queries in shown.items()])


def roc_auc_known(answered: Sequence[Answered]) -> float | None:
    from sklearn.metrics import roc_auc_score

    known = [one.known for one in answered]
    if len(set(known)) < 2:
        return None
    return float(roc_auc_score(known, [one.similarity for one in answered]))


def coverage_at_precision(answered: Sequence[Answered], precision: float = PRECISION) -> float:
    surest = sorted(answered, key=lambda one: one.similarity, reverse=True)
    right, covered = 0, 0
    for asked, one in enumerate(surest, start=1):
        right += one.right
        last_of_its_similarity = asked == len(surest) or surest[asked].similarity < one.similarity
        if last_of_its_similarity and right >= precision * asked:
            covered = asked
    return covered / len(surest)


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
