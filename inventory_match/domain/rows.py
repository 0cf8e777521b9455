"""Boxes as they stand on a shelf: which row each is in, from the top, and which place in that row, from the left.

What stands on one board ends at one height, however tall it is; so boxes are put together by their lower edges. A camera seldom
hangs level, so first the slope of the boards is measured, between boxes that stand side by side, and taken out; it may differ
between top and bottom, as boards seem to run together in a photo taken from the side.

Packs stacked on each other are one row, and each is a place of its own, counted from the lowest up: both are facings. A pack is
on a stack where it stands right on another and something in the row below is tall enough to reach beside it. Without such a
neighbour a shelf of nothing but stacks cannot be told from two boards, and is read as two rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from .photos import Box

_LEVEL = 0.3
"""Lower edges are level up to this difference, over the mean height of the two boxes."""
_BESIDE = 1.5
"""Two boxes stand side by side where the gap between them is at most this, over their mean width."""
_STANDS_ON = 0.15
"""A box stands on another where the gap between them is at most this, over the height of the lower one."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a box stands: row 1 is the top one, place 1 the leftmost."""

    row: int
    place: int


def row_of_location(own: int, seen: Sequence[int]) -> int:
    """The location's row that a camera's own row is, both from 1; `seen`: the location's rows it sees, from the top.

    A camera that is told nothing sees row 1 first; what it sees below the last row it was told of goes on from there.
    """
    if own <= len(seen):
        return seen[own - 1]
    return (seen[-1] if seen else 0) + own - len(seen)


@dataclass(frozen=True, slots=True)
class _Level:
    """A box with the boards' slope taken out; `number` is its place in what was given."""

    number: int
    box: Box
    top: float
    bottom: float

    @property
    def height(self) -> float:
        return self.bottom - self.top


def arrange(boxes: Sequence[Box], loose: Collection[int] = ()) -> list[Standing]:
    """Where each box stands, in the order given. Rows and places are numbered without gaps.

    `loose`: numbers of boxes that make no row of their own, such as what may be a price tag: they go to the nearest box's.
    """
    levelled = _levelled(boxes)
    firm = [one for one in levelled if one.number not in loose] or levelled
    rows = _stacked(_rows(firm))
    for one in levelled:
        if one not in firm:
            nearest = min(
                firm, key=lambda other: (max(one.top - other.bottom, other.top - one.bottom, 0.0), other.number)
            )
            next(row for row in rows if nearest in row).append(one)
    found: dict[int, Standing] = {}
    for row, members in enumerate(rows, start=1):
        for place, one in enumerate(_from_the_left(members), start=1):
            found[one.number] = Standing(row, place)
    return [found[number] for number in range(len(boxes))]


def _levelled(boxes: Sequence[Box]) -> list[_Level]:
    flat, tilt = _slope(boxes)
    found = []
    for number, box in enumerate(boxes):
        drop = (flat + tilt * box.y1) * (_middle(box) - 0.5)
        found.append(_Level(number, box, box.y0 - drop, box.y1 - drop))
    return found


def _slope(boxes: Sequence[Box]) -> tuple[float, float]:
    """How far a board falls over the width of the photo: a + b * height, between neighbours that seem to share one."""
    steps = []
    for one in boxes:
        level = (
            other
            for other in boxes
            if other.x0 - one.x0 > 0
            and _level(other.y1 - one.y1, one.y1 - one.y0, other.y1 - other.y0)
            and other.x0 - one.x1 <= _BESIDE * (one.x1 - one.x0 + other.x1 - other.x0) / 2
        )
        nearest = min(level, key=lambda other: other.x0, default=None)
        if nearest is not None and _middle(nearest) > _middle(one):
            run = _middle(nearest) - _middle(one)
            steps.append(((one.y1 + nearest.y1) / 2, (nearest.y1 - one.y1) / run))
    if len(steps) < 3:
        return 0.0, 0.0
    rises = [
        (mine - other) / (at - above)
        for at, mine in steps
        for above, other in steps
        if at - above > 0.1  # boards that are too close say nothing of the difference
    ]
    tilt = median(rises) if rises else 0.0
    return median(step - tilt * at for at, step in steps), tilt


def _rows(boxes: Sequence[_Level]) -> list[list[_Level]]:
    """Boxes whose lower edges are level, top row first."""
    rows: list[list[_Level]] = []
    for one in sorted(boxes, key=lambda each: each.bottom):
        mine = next(
            (row for row in rows if any(_level(one.bottom - o.bottom, one.height, o.height) for o in row)), None
        )
        if mine is None:
            rows.append([one])
        else:
            mine.append(one)
    return sorted(rows, key=lambda row: median(one.bottom for one in row))


def _stacked(rows: list[list[_Level]]) -> list[list[_Level]]:
    """Rows in which every box stands on one of the row below, beside a taller one, are part of that row."""
    found: list[list[_Level]] = []
    for row in reversed(rows):
        below = found[-1] if found else []
        if below and all(_on_stack(one, below) for one in row):
            below.extend(row)
        else:
            found.append(list(row))
    return found[::-1]


def _on_stack(one: _Level, below: Iterable[_Level]) -> bool:
    below = list(below)
    stands = any(
        _shared(one.box, other.box) >= 0.5 and abs(other.top - one.bottom) <= _STANDS_ON * other.height
        for other in below
    )
    beside = any(
        other.top <= (one.top + one.bottom) / 2 and other.bottom >= one.bottom + 0.5 * one.height for other in below
    )
    return stands and beside


def _from_the_left(row: Iterable[_Level]) -> list[_Level]:
    """By the middle of the column a box stands in; within a column from the lowest up."""
    columns: list[list[_Level]] = []
    for one in sorted(row, key=lambda each: -each.bottom):
        mine = next(
            (c for c in columns if _shared(one.box, c[-1].box) >= 0.5 and c[-1].top >= one.bottom - 0.3 * one.height),
            None,
        )
        if mine is None:
            columns.append([one])
        else:
            mine.append(one)
    return [one for column in sorted(columns, key=lambda c: (_middle(c[0].box), c[0].number)) for one in column]


def _level(difference: float, height: float, other: float) -> bool:
    return abs(difference) <= _LEVEL * (height + other) / 2


def _shared(one: Box, other: Box) -> float:
    """How much of the narrower box's width both share, 0..1."""
    return (min(one.x1, other.x1) - max(one.x0, other.x0)) / min(one.x1 - one.x0, other.x1 - other.x0)


def _middle(box: Box) -> float:
    return (box.x0 + box.x1) / 2
