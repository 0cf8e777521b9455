"""Places: what a camera without fixed regions remembers of its shelf, and how it meets what was found on the next photo.

A *place* is a numbered box in which something was last seen to stand. On a new photo each found box takes the number of the
place it overlaps; one that meets no place is new. A place of a product that nothing was found in is looked at like a fixed
region: so a void is seen as one, a covered place is not taken for empty, and a facing that the network missed is still counted.

What was found and what is remembered never count twice: where a place and a box that is not its own overlap, only one of them
can be a facing. The box is, unless it is of another size and the place still shows its own product: then the box was drawn
around several facings, or around a part of one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from .counting import Answer
from .ledger import Effect
from .photos import Box

EMPTY_FOR = timedelta(days=14)
"""A place that has stood empty for longer is forgotten: until then it tells that something is missing there."""
_SAME = 0.3
"""Overlap over union from which a found box is the facing of a place: a pack moved by half its width has a third."""
_OTHER_SIZE = 1.6
"""From this ratio of areas on two boxes do not show one facing."""
_IN_THE_WAY = 0.4
"""Two boxes that share this much of the smaller one cannot both be facings."""


@dataclass(frozen=True, slots=True)
class Place:
    """A remembered box, whose it is (None: something unknown stands there), and when something last stood in it."""

    position: int
    box: Box
    sku: str | None
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Look:
    """One region of a photo and its answer. `position` below 0: a new one, numbered later. `remembered`: nothing was found
    there, it was looked at because of its place."""

    position: int
    box: Box
    answer: Answer
    sku: str | None = None
    remembered: bool = False


def meet(found: Sequence[Box], places: Sequence[Place]) -> list[int | None]:
    """The position each found box takes, None for a new one; the closest pairs first, each place once."""
    pairs = sorted(
        (-overlap, number, place.position)
        for number, box in enumerate(found)
        for place in places
        if (overlap := _over_union(box, place.box)) >= _SAME and not _other_size(box, place.box)
    )
    taken: dict[int, int] = {}
    for _, number, position in pairs:
        if number not in taken and position not in taken.values():
            taken[number] = position
    return [taken.get(number) for number in range(len(found))]


def in_the_way(one: Box, other: Box) -> bool:
    """Whether at most one of the two can be a facing."""
    return _shared(one, other) >= _IN_THE_WAY * min(_area(one), _area(other))


def either_or(looks: Sequence[Look], places: Sequence[Place]) -> list[Look]:
    """The looks without those that another one contradicts; places that gave way are void, or not assessable where what
    stands over them is unknown."""
    owners = {place.position: place.sku for place in places}
    places_looked_at = [one for one in looks if one.remembered]
    standing = [one for one in places_looked_at if one.answer is Answer.PRODUCT and owners.get(one.position) == one.sku]

    def mistaken(box: Look) -> bool:
        return box.position < 0 and any(
            in_the_way(box.box, place.box) and _other_size(box.box, place.box) for place in standing
        )

    found = [one for one in looks if not one.remembered and not mistaken(one)]
    kept = []
    for one in looks:
        if one.remembered:
            over = [box for box in found if in_the_way(one.box, box.box)]
            kept.append(_given_way(one, over) if over and one.answer is not Answer.VOID else one)
        elif one in found:
            kept.append(one)
    return kept


def _given_way(place: Look, over: Sequence[Look]) -> Look:
    known = any(box.answer is Answer.PRODUCT for box in over)
    return replace(place, answer=Answer.VOID if known else Answer.NOT_ASSESSABLE, sku=None)


def number(looks: Sequence[Look], before: Sequence[Place], now: Sequence[Place], given: int) -> list[int | None]:
    """The final position of each look, None where it is about a place that is forgotten by now.

    `before`: the places when the photo was looked at; `now`: as they are, after other photos of the camera may have been
    settled; `given`: the last number given. New numbers follow it.
    """
    there = {place.position for place in now}
    added = [place for place in now if place.position not in {place.position for place in before}]
    new = [i for i, one in enumerate(looks) if not one.remembered and one.position not in there and one.position != 0]
    met = dict(zip(new, meet([looks[i].box for i in new], added), strict=True))
    final: list[int | None] = []
    for i, one in enumerate(looks):
        if i not in met:
            final.append(one.position if one.position in there or one.position == 0 else None)
        elif (position := met[i]) is not None:
            final.append(position)
        else:
            given += 1
            final.append(given)
    return final


@dataclass(frozen=True, slots=True)
class Memory:
    """What a settled photo changes: places as they are seen now, and positions that are no places any more."""

    seen: dict[int, Box]
    forgotten: tuple[int, ...]


def remember(
    looks: Sequence[Look], places: Sequence[Place], effects: Mapping[str, Effect | None], at: datetime
) -> Memory:
    """What the camera remembers after its newest photo, taken at `at`, was counted.

    `places`: with their owners as they are after the count. A place stays its owner's until its owner's count is settled;
    one without an owner goes as soon as nothing is found there and nothing covers it.
    """
    owners = {place.position: place.sku for place in places}
    answers = {one.position: one for one in looks}
    seen = {
        one.position: one.box
        for one in looks
        if one.position > 0
        and (
            (one.answer is Answer.UNKNOWN and owners.get(one.position) is None)
            or (one.sku is not None and owners.get(one.position) == one.sku)
        )
    }
    forgotten = [place.position for place in places if _over(place, answers.get(place.position), looks, effects, at)]
    return Memory(seen, tuple(forgotten))


def _over(
    place: Place, look: Look | None, looks: Collection[Look], effects: Mapping[str, Effect | None], at: datetime
) -> bool:
    """Whether a place is one no more."""
    if place.sku is None:
        return look is None or look.answer is Answer.VOID
    if look is None or look.answer is not Answer.VOID:
        return False
    settled = effects.get(place.sku) in (Effect.MOVED, Effect.KEPT)
    taken = any(
        one.position != place.position and one.answer is Answer.PRODUCT and in_the_way(one.box, place.box)
        for one in looks
    )
    return settled and (taken or at - place.seen_at > EMPTY_FOR)


def _area(box: Box) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)


def _shared(one: Box, other: Box) -> float:
    across = min(one.x1, other.x1) - max(one.x0, other.x0)
    down = min(one.y1, other.y1) - max(one.y0, other.y0)
    return max(across, 0.0) * max(down, 0.0)


def _over_union(one: Box, other: Box) -> float:
    shared = _shared(one, other)
    return shared / (_area(one) + _area(other) - shared)


def _other_size(one: Box, other: Box) -> bool:
    return max(_area(one), _area(other)) >= _OTHER_SIZE * min(_area(one), _area(other))
