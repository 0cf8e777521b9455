"""One evaluation from end to end, and all it found: figures, categories, confusions, robustness."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from inventory_match.learning.breakdown import Category, Confusion, confusions, is_mistake, per_category
from inventory_match.learning.evaluate import Asked, Enrolled, Serving, ask, enrol, nearest_of
from inventory_match.learning.figures import Figures, figures
from inventory_match.learning.labelled import Labelled
from inventory_match.learning.robustness import spoilers

Bars = Callable[[str, int], Callable[[int], None]]
"""What is being done and of how many photos, to that which is told of each step."""


@dataclass(frozen=True, slots=True)
class Report:
    """What `evaluate` found; `robustness` is top1 by name of what spoilt the queries, None where it was not asked for."""

    figures: Figures
    per_category: list[Category]
    confusions: list[Confusion]
    robustness: dict[str, float | None] | None
    enrolled: Enrolled
    asked: Asked

    def as_json(self) -> dict[str, Any]:
        """The figures by name, and the tables beside them."""
        tables = {
            "per_category": [asdict(one) for one in self.per_category],
            "confusions": [asdict(one) for one in self.confusions],
        }
        spoilt = {} if self.robustness is None else {"robustness": self.robustness}
        return asdict(self.figures) | tables | spoilt


@dataclass(frozen=True, slots=True)
class Mistake:
    """A query, the nearest reference of the product it was taken for, and the nearest of its own (None: it has none)."""

    confusion: Confusion
    query: Labelled
    wrong: Labelled
    right: Labelled | None


def evaluate(
    serving: Serving, references: Sequence[Labelled], queries: Sequence[Labelled], bars: Bars, *, spoil_seed: int | None
) -> Report:
    """Enrols `references`, asks every query; with `spoil_seed` five times more, each time spoilt in another way."""
    enrolled = enrol(serving, references, bars("references", len(references)))
    asked = ask(enrolled, queries, bars("queries", len(queries)))
    robustness = None if spoil_seed is None else _robustness(enrolled, queries, bars, spoil_seed)
    return Report(
        figures=figures(asked.answered, len(references), asked.seconds),
        per_category=per_category(asked.answered, _categories([*references, *queries], queries)),
        confusions=confusions(asked.answered),
        robustness=robustness,
        enrolled=enrolled,
        asked=asked,
    )


def _robustness(enrolled: Enrolled, queries: Sequence[Labelled], bars: Bars, seed: int) -> dict[str, float | None]:
    found = {}
    for name, spoil in spoilers(seed).items():
        asked = ask(enrolled, queries, bars(name, len(queries)), spoil)
        found[name] = figures(asked.answered, len(enrolled.references), asked.seconds).top1
    return found


def _categories(said: Sequence[Labelled], queries: Sequence[Labelled]) -> list[str | None]:
    """Of each query; a catalog may say it where the list of queries does not."""
    known = {one.sku: one.row.category for one in said if one.row.category is not None}
    return [one.row.category or known.get(one.sku) for one in queries]


def worst_mistakes(report: Report, most: int) -> list[Mistake]:
    """One for each of the most frequent confusions: the query that was most like the wrong product."""
    return [_example(report, confusion) for confusion in report.confusions[:most]]


def _example(report: Report, confusion: Confusion) -> Mistake:
    answered, asked = report.asked.answered, report.asked
    pair = (confusion.truth or "", confusion.taken_for)
    of_pair = (i for i, one in enumerate(answered) if is_mistake(one) and (one.truth, one.first) == pair)
    worst = max(of_pair, key=lambda i: answered[i].similarity)
    vector = asked.vectors[worst]
    right = None if confusion.truth is None else nearest_of(report.enrolled, vector, confusion.truth)
    return Mistake(confusion, asked.queries[worst], nearest_of(report.enrolled, vector, confusion.taken_for), right)
