"""The curves behind the figures, as points. Pure; drawing them is `charts`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inventory_match.learning.figures import UNKNOWN, Answered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DecisionCurve:
    """What happens as the least similarity that is believed falls; arrays of one entry for each similarity there is.

    Of all queries whose best candidate has at least `similarity`: `coverage` their share of all queries, `precision` the
    share whose first candidate is right, `recall` how many of all known queries these are.
    """

    similarity: Floats
    coverage: Floats
    precision: Floats
    recall: Floats


def decision_curve(answered: Sequence[Answered]) -> DecisionCurve:
    """`answered` must hold at least one query; recall is 0 where none is known."""
    surest = sorted(answered, key=lambda one: one.similarity, reverse=True)
    similarity = np.array([one.similarity for one in surest])
    right = np.cumsum([one.right for one in surest])
    last = np.append(similarity[1:] < similarity[:-1], True)  # equal similarities are believed together
    asked = np.arange(1, len(surest) + 1)
    known = max(1, sum(one.known for one in surest))
    return DecisionCurve(
        similarity[last], asked[last] / len(surest), right[last] / asked[last], (right[last] / known).astype(float)
    )


def known_roc(answered: Sequence[Answered]) -> tuple[Floats, Floats] | None:
    """(share of unknown queries, share of known queries) whose best similarity is at least a falling threshold, the ROC curve
    whose area is `roc_auc_known`; None where all queries are known, or none is."""
    from sklearn.metrics import roc_curve

    known = [one.known for one in answered]
    if len(set(known)) < 2:
        return None
    unknown_passed, known_passed, _ = roc_curve(known, [one.similarity for one in answered])
    return unknown_passed, known_passed


def confusion_matrix(answered: Sequence[Answered], most: int) -> tuple[list[str], Floats]:
    """Names of up to `most` products, those in most mistakes first, and the shares, shape (n, n + 1): of the queries of each
    row's product, how many have the column's first; the last column is every other product. Known queries only."""
    known = [one for one in answered if one.known]
    asked = Counter(one.truth for one in known)
    involved = Counter(sku for one in known if not one.right for sku in (one.truth, one.first) if sku != UNKNOWN)
    names = sorted(asked, key=lambda sku: (-involved[sku], sku))[:most]
    place = {sku: column for column, sku in enumerate(names)}
    counts = np.zeros((len(names), len(names) + 1))
    for one in known:
        if one.truth in place:
            counts[place[one.truth], place.get(one.first, len(names))] += 1
    return names, counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
