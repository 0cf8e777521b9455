"""A plan drawn in coordinates, read as rows: which fixtures form one shelf, and what stands beside what on it.

The coordinates are those of the retired Planogram Compliance service of Azure: the origin is at the top left, x grows to the
right and y downwards, x and y of a thing are its own top left corner counted from that origin (also where it stands on a
fixture), and the unit is anybody's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Extent:
    """Where something is: the left edge and the top, then how far it goes to the right and down."""

    x: float
    y: float
    w: float
    h: float

    @property
    def middle(self) -> float:
        return self.y + self.h / 2


def rows_of(fixtures: Sequence[Extent]) -> list[int]:
    """The row of each fixture, the top one being 1. Fixtures at one height beside each other (bays) are one row."""
    rows: list[list[Extent]] = []
    found = [0] * len(fixtures)
    for number in sorted(range(len(fixtures)), key=lambda number: (fixtures[number].y, fixtures[number].x)):
        one = fixtures[number]
        for row, others in enumerate(rows, 1):
            if all(_beside(one, other) for other in others):
                others.append(one)
                found[number] = row
                break
        else:
            rows.append([one])
            found[number] = len(rows)
    return found


def _beside(one: Extent, other: Extent) -> bool:
    apart = one.x + one.w <= other.x or other.x + other.w <= one.x
    level = other.y <= one.middle <= other.y + other.h or one.y <= other.middle <= one.y + one.h
    return apart and level


def columns_of(row: Sequence[Extent]) -> list[list[int]]:
    """The numbers of what stands in a row, column by column from the left, each from the lowest up: what shares half of the
    narrower one's width is stacked."""
    columns: list[list[int]] = []
    for number in sorted(range(len(row)), key=lambda number: (row[number].x + row[number].w / 2, number)):
        one = row[number]
        last = row[columns[-1][0]] if columns else None
        if last is not None and min(one.x + one.w, last.x + last.w) - max(one.x, last.x) >= min(one.w, last.w) / 2:
            columns[-1].append(number)
        else:
            columns.append([number])
    return [sorted(column, key=lambda number: -(row[number].y + row[number].h)) for column in columns]
