"""Where the mistakes are: figures of each category, and which products are taken for which. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from inventory_match.learning.figures import UNKNOWN, Answered, f1


@dataclass(frozen=True, slots=True)
class Category:
    """The queries of one category (None: of products without one). `top1`: share of its known queries, None without any;
    `matched`, `wrong`: shares of all its queries that were decided for a product, and for a wrong one; `f1` as in `figures`."""

    category: str | None
    n_queries: int
    top1: float | None
    f1: float
    matched: float
    wrong: float


@dataclass(frozen=True, slots=True)
class Confusion:
    """`count` queries of the product `truth` whose best candidate is `taken_for`; in `matched` of them the thresholds let it
    pass. `truth` is None for products that have no reference: of these only what was matched counts."""

    truth: str | None
    taken_for: str
    count: int
    matched: int


def per_category(answered: Sequence[Answered], categories: Sequence[str | None]) -> list[Category]:
    """`categories`: that of each query. Sorted by name, those without one last; empty where no query has one."""
    if not any(categories):
        return []
    names = sorted(set(categories), key=lambda name: (name is None, name))
    pairs = list(zip(answered, categories, strict=True))
    return [_category(name, [one for one, of in pairs if of == name]) for name in names]


def _category(name: str | None, answered: Sequence[Answered]) -> Category:
    known = [one.right for one in answered if one.known]
    matched = [one for one in answered if one.decided != UNKNOWN]
    return Category(
        category=name,
        n_queries=len(answered),
        top1=sum(known) / len(known) if known else None,
        f1=f1(answered),
        matched=len(matched) / len(answered),
        wrong=sum(one.decided != one.truth for one in matched) / len(answered),
    )


def confusions(answered: Sequence[Answered]) -> list[Confusion]:
    """Every pair that was confused, the most frequent first, then by name."""
    counts = Counter((one.truth, one.first) for one in answered if is_mistake(one))
    matched = Counter((one.truth, one.first) for one in answered if is_mistake(one) and one.decided != UNKNOWN)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [Confusion(pair[0] or None, pair[1], count, matched[pair]) for pair, count in ranked]


def is_mistake(one: Answered) -> bool:
    """A known product with another one first, or an unknown product that was matched."""
    if one.known:
        return one.first not in (one.truth, UNKNOWN)
    return one.decided != UNKNOWN
