"""What should stand on a shelf: a plan drawn by people, or the usual product of each place, learned from what stood there.

Both become the same thing, a sequence of expected facings a row, which `domain.compliance` lays beside what was seen. Rows
are counted from the top and facings from the left, both from 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from .gtin import padded
from .rules import Key, Problem

MOST_ROWS, MOST_FACINGS = 30, 200
"""A taller shelf, or a row of more facings, is a slip of the pen; and comparing takes time by their product."""
LEAST_SUPPORT = 3
"""Looks that must have shown a product at a place before one calls any of them usual."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One product side by side with itself: `facings` of it in a row, `place` being the slot's own number in that row."""

    row: int
    place: int
    sku: str
    facings: int = 1


@dataclass(frozen=True, slots=True)
class Planogram:
    """A plan of one shelf."""

    name: str
    slots: tuple[Slot, ...]

    @property
    def rows(self) -> int:
        return len({slot.row for slot in self.slots})

    @property
    def facings(self) -> int:
        return sum(slot.facings for slot in self.slots)


@dataclass(frozen=True, slots=True)
class Expected:
    """One facing that should be there. `seen_in` of `looks` photos agreed, where it was learned and not planned."""

    row: int
    place: int
    sku: str
    seen_in: int | None = None
    looks: int | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """A place of a camera in one photo: where it stood then, and the product seen there."""

    position: int
    row: int
    place: int
    sku: str


def expected(planogram: Planogram) -> tuple[Expected, ...]:
    """Every facing of a plan, row by row from the left: a slot of three facings is expected three times."""
    found: list[Expected] = []
    filled: Counter[int] = Counter()
    for slot in sorted(planogram.slots, key=lambda slot: (slot.row, slot.place)):
        for _ in range(slot.facings):
            filled[slot.row] += 1
            found.append(Expected(slot.row, filled[slot.row], slot.sku))
    return tuple(found)


def usual(history: Iterable[Looked], least: int = LEAST_SUPPORT) -> tuple[Expected, ...]:
    """The usual product of every place, where more than half of at least `least` looks agree.

    `history`: looks at one camera's places that showed a product, newest first: the newest says in which row a place is. A
    place where nothing is usual (a bargain bin) is left out, and the others close up.
    """
    looks: dict[int, list[Looked]] = {}
    for one in history:
        looks.setdefault(one.position, []).append(one)
    agreed: list[tuple[Looked, int, int]] = []
    for seen in looks.values():
        sku, times = min(Counter(one.sku for one in seen).most_common(), key=lambda each: (-each[1], each[0]))
        if len(seen) >= least and 2 * times > len(seen):
            agreed.append((Looked(seen[0].position, seen[0].row, seen[0].place, sku), times, len(seen)))
    filled: Counter[int] = Counter()
    found: list[Expected] = []
    for place, times, looked in sorted(agreed, key=lambda each: (each[0].row, each[0].place, each[0].position)):
        filled[place.row] += 1
        found.append(Expected(place.row, filled[place.row], place.sku, times, looked))
    return tuple(found)


def named(said: str, skus: Collection[str], gtins: Mapping[str, str]) -> str | None:
    """The sku a plan means: a sku of the catalog, or the GTIN of one (`gtins`: GTIN of 14 digits to sku)."""
    if said in skus:
        return said
    return gtins.get(padded(said)) if said.isdigit() else None


def plan_problems(slots: Sequence[tuple[Slot, Key]]) -> list[Problem]:
    """What makes no sense in a plan as a whole, each at the key its slot came from."""
    found: list[Problem] = []
    if not slots:
        found.append(Problem((), "no product is planned", "add a row with at least one position"))
    filled: Counter[int] = Counter()
    for slot, key in slots:
        if slot.row > MOST_ROWS and not filled[slot.row]:
            found.append(
                Problem(key, f"row {slot.row} is more than {MOST_ROWS}", "one file a shelf or a camera's view")
            )
        before = filled[slot.row]
        filled[slot.row] += slot.facings
        if before <= MOST_FACINGS < filled[slot.row]:
            cure = "one file a shelf or a camera's view; `facings` counts what stands side by side"
            found.append(Problem(key, f"row {slot.row} has more than {MOST_FACINGS} facings", cure))
    return found
