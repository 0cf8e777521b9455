"""From the answers of a photo's regions to facings per product, without ever taking a covered lens for a sale.

A region *belongs* to the product last confirmed there. A product is counted only if none of its own regions is hidden
(unknown, or not assessable): then, and only then, a void in one of them means that a facing is gone. A product believed to
stand here without a region of its own (it was only seen in another's) could be in any of theirs that is hidden.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from .ledger import Effect


class Answer(StrEnum):
    """What a region was found to be."""

    PRODUCT = "product"
    UNKNOWN = "unknown"
    VOID = "void"
    NOT_ASSESSABLE = "not_assessable"


@dataclass(frozen=True, slots=True)
class RegionSeen:
    """One region of one photo: its stable position, what it was found to be, and the product if it is one."""

    position: int
    answer: Answer
    sku: str | None = None


@dataclass(frozen=True, slots=True)
class Facings:
    """Facings of one product in one photo; None where it could not be assessed, with the regions that hid it."""

    sku: str
    facings: int | None
    hidden: tuple[int, ...] = ()


def count(
    seen: Sequence[RegionSeen], belongs: Mapping[int, str], believed: Mapping[str, int] = MappingProxyType({})
) -> list[Facings]:
    """Facings per product, in order of sku.

    `belongs`: region position to the product last confirmed there. `believed`: facings of the products that cameras counted
    at this location and that are not settled at zero; they are judged again even if nothing of them is seen.
    """
    shown = Counter(region.sku for region in seen if region.answer is Answer.PRODUCT and region.sku is not None)
    hidden = [one.position for one in seen if one.answer in (Answer.UNKNOWN, Answer.NOT_ASSESSABLE)]
    owners = set(belongs.values())
    counts = []
    for sku in sorted(shown.keys() | owners | set(believed)):
        homeless = sku not in owners and sku in believed and (not shown[sku] or shown[sku] < believed[sku])
        covered = tuple(one for one in hidden if one in belongs and (homeless or belongs[one] == sku))
        counts.append(Facings(sku, None if covered else shown[sku], covered))
    return counts


def reassign(
    seen: Sequence[RegionSeen], belongs: Mapping[int, str], effects: Mapping[str, Effect | None]
) -> dict[int, str]:
    """Which regions change their owner. A region goes to the product seen there once the old owner's count is settled.

    Until the old owner's new count is confirmed its region stays its own; so one shopper holding another product in front
    of the shelf moves nothing, and neither does a photo that comes late. `effects`: sku to what its count did to the level,
    None where it was not assessed.
    """
    moved = {}
    for region in seen:
        owner = belongs.get(region.position)
        if region.answer is not Answer.PRODUCT or region.sku is None or region.sku == owner:
            continue
        timely = effects.get(region.sku) in (Effect.MOVED, Effect.KEPT, Effect.AWAITING)
        if timely and (owner is None or effects.get(owner) in (Effect.MOVED, Effect.KEPT)):
            moved[region.position] = region.sku
    return moved
