"""Applies a planogram: its products looked up in the catalog, kept as a new version, and the newest photos judged by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inventory_match import beforehand
from inventory_match.db import catalog, planograms
from inventory_match.domain.errors import NotFound
from inventory_match.domain.planogram import Planogram, Slot, named
from inventory_match.domain.rules import Problem

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from inventory_match.db.engine import UnitOfWork
    from inventory_match.db.planograms import Shelf
    from inventory_match.planogram_file import PlanogramFile


@dataclass(frozen=True, slots=True)
class Applied:
    """The id of the plan in force now, and how many photos were judged by it. `changed`: it is another than before."""

    planogram_id: int
    plan: Planogram
    judged: int
    changed: bool


def apply_planogram(unit_of_work: UnitOfWork, shelf: Shelf, file: PlanogramFile, by: str) -> Applied:
    """One transaction. The plan that holds already is left as it is.

    Raises InvalidInput for products that the catalog does not have, NotFound where there is no such shelf.
    """
    with unit_of_work() as session:
        check(session, shelf)
        plan = _in_skus(session, file)
        before = planograms.in_force(session, shelf)
        if before is not None and (before.shelf, before.plan) == (shelf, plan):
            return Applied(before.id, plan, 0, changed=False)
        made = planograms.apply(session, shelf, plan, by)
        judged = beforehand.judge_again(session, planograms.newest_views(session, shelf))
        return Applied(made, plan, judged, changed=True)


def remove_planogram(unit_of_work: UnitOfWork, shelf: Shelf) -> bool:
    """False where none of its own held. The newest photos are judged by what holds then."""
    with unit_of_work() as session:
        check(session, shelf)
        removed = planograms.end(session, shelf)
        if removed:
            beforehand.judge_again(session, planograms.newest_views(session, shelf))
        return removed


def check(session: Session, shelf: Shelf) -> None:
    """Raises NotFound where there is no such location."""
    if not planograms.has_location(session, shelf):
        raise NotFound(f"there is no {shelf}; `inventory-match site show` shows what is applied")


def _in_skus(session: Session, file: PlanogramFile) -> Planogram:
    """The plan in skus of the catalog, all products that it lacks told at once."""
    products = {one.sku: one for one in catalog.list_products(session)}
    gtins = catalog.gtin_owners(session)
    slots: list[Slot] = []
    found: list[Problem] = []
    for one in file.planned:
        sku = next((sku for code in one.codes if (sku := named(code, products, gtins)) is not None), None)
        if sku is None:
            called = " or ".join(map(repr, one.codes))
            found.append(
                Problem(one.key, f"{called} is no sku or GTIN of the catalog", "correct it, or import it first")
            )
        elif products[sku].retired_at is not None:
            cure = "import it again to bring it back, or plan another product"
            found.append(Problem(one.key, f"{sku!r} is retired and will never be found", cure))
        else:
            slots.append(Slot(one.row, one.place, sku, one.facings))
    file.refuse(found)
    return Planogram(file.name, tuple(slots))
