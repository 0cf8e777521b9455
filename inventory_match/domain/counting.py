"""From the answers of a photo's regions to facings per product, without ever taking a covered lens for a sale.

A region *belongs* to the product last confirmed there. A product is counted only if none of its own regions is hidden
(unknown, or not assessable): then, and only then, a void in one of them means that a facing is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

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


def count(seen: Sequence[RegionSeen], belongs: Mapping[int, str], pending: Collection[str] = ()) -> list[Facings]:
    """Facings per product, in order of sku.

    `belongs`: region position to the product last confirmed there. `pending`: products whose last count still waits for
    confirmation at this location; they are judged again even if nothing of them is seen.
    """
    hidden: dict[str, list[int]] = {}
    shown: dict[str, int] = {}
    for region in seen:
        if region.answer is Answer.PRODUCT and region.sku is not None:
            shown[region.sku] = shown.get(region.sku, 0) + 1
        elif region.answer is not Answer.VOID and region.position in belongs:
            hidden.setdefault(belongs[region.position], []).append(region.position)
    counts = []
    for sku in sorted(shown.keys() | set(belongs.values()) | set(pending)):
        covered = tuple(hidden.get(sku, ()))
        counts.append(Facings(sku, None if covered else shown.get(sku, 0), covered))
    return counts


def reassign(
    seen: Sequence[RegionSeen], belongs: Mapping[int, str], effects: Mapping[str, Effect | None]
) -> dict[int, str]:
    """Which regions change their owner. A region goes to the product seen there once the old owner's count is settled.

    Until the old owner's new count is confirmed its region stays its own; so one shopper holding another product in front
    of the shelf moves nothing. `effects`: sku to what its count did to the level, None where it was not assessed.
    """
    moved = {}
    for region in seen:
        if region.answer is not Answer.PRODUCT or region.sku is None:
            continue
        owner = belongs.get(region.position)
        if owner == region.sku:
            continue
        if owner is None or effects.get(owner) in (Effect.MOVED, Effect.KEPT):
            moved[region.position] = region.sku
    return moved
