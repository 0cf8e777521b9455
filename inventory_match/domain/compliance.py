"""A shelf as it should be beside the shelf as it was seen: per expected facing one of four answers, and what stands there
besides.

Yes is `compliant`. No is `misplaced` (it stands elsewhere on this shelf) or `missing` (it stands nowhere on it), whatever is
seen in its place; where that is the bare shelf, it is also a gap. `needs_review`: something stands there that nobody knows
yet. `not_assessable`: the place was hidden; or nothing at all was seen where there is room for it, or of its whole row, which
a covered lens explains as well as an empty shelf. Only yes and no count as assessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from statistics import median
from typing import TypeVar

from .alignment import align
from .counting import Answer
from .planogram import Expected

_OTHER, _VOID, _UNCLEAR, _ALONE, _VOID_ALONE, _UNCLEAR_ALONE = 5, 3, 2, 4, 2, 3
"""Costs of laying an expected facing beside another product, the bare shelf, or what is not known; and of leaving it, the bare
shelf, or what is not known alone. Another product beside it costs less than both alone, so that a swap stays in its place."""
_ELSEWHERE_ROW = 1000
"""So much further away is another row than any place of the same one."""


_F = TypeVar("_F", Expected, "Facing")


class Verdict(StrEnum):
    COMPLIANT = "compliant"
    MISPLACED = "misplaced"
    MISSING = "missing"
    EXTRA = "extra"
    NEEDS_REVIEW = "needs_review"
    NOT_ASSESSABLE = "not_assessable"


@dataclass(frozen=True, slots=True)
class Facing:
    """A facing as it was seen: its row and its place in it, the number of the camera's place, its left and right edge in
    fractions of the photo, and what it was found to be."""

    row: int
    place: int
    position: int
    x0: float
    x1: float
    answer: Answer
    sku: str | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """An expected facing and its verdict, or what stands there without being expected (`expected` None, verdict extra).

    `seen` is what was seen in its place, None where nothing was; `elsewhere` is where a misplaced product stands instead.
    """

    verdict: Verdict
    expected: Expected | None
    seen: Facing | None
    elsewhere: Facing | None = None

    @property
    def gap(self) -> bool:
        """Expected there, and the bare shelf was seen."""
        return self.expected is not None and self.seen is not None and self.seen.answer is Answer.VOID


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a comparison. `share`: compliant of assessed, None where nothing could be assessed."""

    eligible: int
    assessed: int
    compliant: int
    misplaced: int
    missing: int
    gaps: int
    extra: int
    needs_review: int
    not_assessable: int

    @property
    def share(self) -> float | None:
        return self.compliant / self.assessed if self.assessed else None


def compare(expected: Sequence[Expected], seen: Sequence[Facing]) -> list[Judged]:
    """A verdict for every expected facing, in order of row and place, then every facing too many."""
    plan, shelf = _rows(expected), _rows(seen)
    _, rows = align(plan, shelf, _row_cost, lambda row: _ALONE * len(row), lambda row: sum(map(_seen_alone, row)))
    edges = min((one.x0 for one in seen), default=0.0), max((one.x1 for one in seen), default=1.0)
    laid: list[_Laid] = []
    for i, j in rows:
        planned, stood = plan[i] if i is not None else [], shelf[j] if j is not None else []
        _, places = align(planned, stood, _cost, lambda _: _ALONE, _seen_alone)
        row = [_Laid(planned[k] if k is not None else None, stood[m] if m is not None else None) for k, m in places]
        laid += _with_room(row, edges) if stood else [_Laid(one.expected, None, unseen=True) for one in row]
    return _judged(laid)


def summary(judged: Iterable[Judged]) -> Summary:
    """The figures of a comparison."""
    return tally((one.verdict, one.gap) for one in judged)


def tally(verdicts: Iterable[tuple[Verdict, bool]]) -> Summary:
    """Of verdicts, each with whether it is a gap. Eligible are all expected facings, assessed those whose answer is yes or
    no."""
    found = list(verdicts)
    by = Counter(verdict for verdict, _ in found)
    assessed = by[Verdict.COMPLIANT] + by[Verdict.MISPLACED] + by[Verdict.MISSING]
    return Summary(
        eligible=assessed + by[Verdict.NEEDS_REVIEW] + by[Verdict.NOT_ASSESSABLE],
        assessed=assessed,
        compliant=by[Verdict.COMPLIANT],
        misplaced=by[Verdict.MISPLACED],
        missing=by[Verdict.MISSING],
        gaps=sum(gap for _, gap in found),
        extra=by[Verdict.EXTRA],
        needs_review=by[Verdict.NEEDS_REVIEW],
        not_assessable=by[Verdict.NOT_ASSESSABLE],
    )


@dataclass(frozen=True, slots=True)
class _Laid:
    """An expected facing and what was seen in its place; `unseen` where nothing was, and something may stand there."""

    expected: Expected | None
    seen: Facing | None
    unseen: bool = False

    @property
    def stray(self) -> Facing | None:
        """A product that is not expected where it stands."""
        if self.seen is None or self.seen.answer is not Answer.PRODUCT:
            return None
        return None if self.expected is not None and self.expected.sku == self.seen.sku else self.seen

    @property
    def lacks(self) -> bool:
        """Whether it was seen that the expected product is not there."""
        if self.expected is None:
            return False
        return not self.unseen if self.seen is None else self.seen.answer is Answer.VOID or self.stray is not None


def _with_room(row: Sequence[_Laid], edges: tuple[float, float]) -> list[_Laid]:
    """What has nothing beside it is unseen as far as there is room for it: from one neighbour's edge to the other's, or to
    the edge of the shelf, in facings of this row's usual width. Without room the neighbours have closed up; unless one of
    them is hidden, because what hides it may hide more than one facing."""
    width = median(one.seen.x1 - one.seen.x0 for one in row if one.seen is not None)
    found: list[_Laid] = []
    before: Facing | None = None
    for alone, run in groupby(row, key=lambda one: one.seen is None):
        these = list(run)
        if not alone:
            found += these
            before = these[-1].seen
            continue
        after = next((one.seen for one in row[len(found) + len(these) :] if one.seen is not None), None)
        room = round(((after.x0 if after else edges[1]) - (before.x1 if before else edges[0])) / width)
        hidden = any(one is not None and one.answer is Answer.NOT_ASSESSABLE for one in (before, after))
        found += [_Laid(one.expected, None, unseen=hidden or number < room) for number, one in enumerate(these)]
    return found


def _judged(laid: Sequence[_Laid]) -> list[Judged]:
    strays = [one.stray for one in laid if one.stray is not None]
    stands = _elsewhere([one.expected for one in laid if one.lacks and one.expected is not None], strays)
    found = [
        Judged(
            _verdict(one, elsewhere := stands.get((one.expected.row, one.expected.place))),
            one.expected,
            one.seen,
            elsewhere,
        )
        for one in laid
        if one.expected is not None
    ]
    found.sort(key=lambda one: (one.expected.row, one.expected.place) if one.expected else (0, 0))
    taken = {id(stray) for stray in stands.values()}
    extra = sorted((one for one in strays if id(one) not in taken), key=lambda one: (one.row, one.place))
    return found + [Judged(Verdict.EXTRA, None, one) for one in extra]


def _elsewhere(lacking: Sequence[Expected], strays: Sequence[Facing]) -> dict[tuple[int, int], Facing]:
    """Where products that are not in their place stand instead, by their row and place: the nearest pairs first, so that each
    stray stands for one of them at most."""
    near = sorted(
        (abs(one.row - stray.row) * _ELSEWHERE_ROW + abs(one.place - stray.place), one.row, one.place, number)
        for one in lacking
        for number, stray in enumerate(strays)
        if stray.sku == one.sku
    )
    found: dict[tuple[int, int], Facing] = {}
    taken: set[int] = set()
    for _, row, place, number in near:
        if (row, place) not in found and number not in taken:
            found[row, place] = strays[number]
            taken.add(number)
    return found


def _verdict(one: _Laid, elsewhere: Facing | None) -> Verdict:
    if one.lacks:
        return Verdict.MISSING if elsewhere is None else Verdict.MISPLACED
    if one.seen is None or one.seen.answer is Answer.NOT_ASSESSABLE:
        return Verdict.NOT_ASSESSABLE
    return Verdict.NEEDS_REVIEW if one.seen.answer is Answer.UNKNOWN else Verdict.COMPLIANT


def _rows(facings: Sequence[_F]) -> list[list[_F]]:
    rows: dict[int, list[_F]] = {}
    for one in sorted(facings, key=lambda one: (one.row, one.place)):
        rows.setdefault(one.row, []).append(one)
    return list(rows.values())


def _row_cost(planned: Sequence[Expected], stood: Sequence[Facing]) -> int:
    return align(planned, stood, _cost, lambda _: _ALONE, _seen_alone)[0]


def _cost(planned: Expected, seen: Facing) -> int:
    if seen.answer is Answer.PRODUCT:
        return 0 if seen.sku == planned.sku else _OTHER
    return _VOID if seen.answer is Answer.VOID else _UNCLEAR


def _seen_alone(seen: Facing) -> int:
    if seen.answer is Answer.PRODUCT:
        return _ALONE
    return _VOID_ALONE if seen.answer is Answer.VOID else _UNCLEAR_ALONE
