"""Plans of shelves in rows, what is usual where there is none, and what each photo says to either.

A plan is never changed: applying one ends the one before it, so that it can be told what held when a photo was judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.orm import Session

from inventory_match.domain.compliance import Facing, Judged
from inventory_match.domain.counting import Answer
from inventory_match.domain.planogram import Looked, Planogram, Slot

from . import models
from .models import Camera, Location, PlanogramSlot, ShelfFacing, ShelfVerdict

if TYPE_CHECKING:
    from collections.abc import Iterable

LOOKS = 20
"""Earlier photos that speak for what is usual at a place: those that showed a product there, newest first."""

_HISTORY = text("""
    select looked.position, looked.shelf_row, looked.place_in_row, looked.sku
    from inventory_match.region_owner o
    cross join lateral (
        select g.position, g.shelf_row, g.place_in_row, g.sku
        from inventory_match.shelf_facing g
        where g.camera = o.camera and g.position = o.position and g.answer = 'product'
          and g.store = :store and g.location = :location and g.captured_at < :before
        order by g.captured_at desc, g.photo_id desc
        limit :looks) looked
    where o.camera = :camera""")

_NEWEST = text("""
    select c.camera, newest.id as photo_id, newest.captured_at, c.shelf_rows
    from inventory_match.camera c
    cross join lateral (
        select f.id, f.captured_at from inventory_match.photo f
        where f.camera = c.camera and f.store = c.store and f.location = c.location and f.state in ('done', 'empty')
        order by f.captured_at desc, f.id desc
        limit 1) newest
    where c.kind = 'shelf' and c.active and c.store = :store and c.location = :location
    order by c.camera""")


@dataclass(frozen=True, slots=True)
class Shelf:
    """Whose shelf it is: a location, and, where only one camera's view is meant, that camera."""

    store: str
    location: str
    camera: str | None = None

    def __str__(self) -> str:
        return f"camera {self.camera}" if self.camera else f"location {self.location} of store {self.store}"


@dataclass(frozen=True, slots=True)
class View:
    """One camera's photo of a shelf; `rows`: the location's rows that the camera sees (`domain.rows`)."""

    shelf: Shelf
    photo_id: int
    captured_at: datetime
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """A plan as it is kept. `ended_at` is None for the one in force."""

    id: int
    shelf: Shelf
    plan: Planogram
    applied_at: datetime
    applied_by: str
    ended_at: datetime | None


def watched_by(session: Session, camera: str) -> Shelf | None:
    """The shelf a camera watches, None where it is no shelf camera that is switched on."""
    found = session.execute(
        select(Camera.store, Camera.location).where(Camera.camera == camera, Camera.kind == "shelf", Camera.active)
    ).one_or_none()
    return None if found is None else Shelf(found.store, found.location, camera)


def has_location(session: Session, shelf: Shelf) -> bool:
    return session.get(Location, (shelf.store, shelf.location)) is not None


def keep_as_they_are(session: Session) -> None:
    """Until the transaction ends no plan begins or ends, so that no photo is judged by one that has ended before it is
    settled; any number of photos may be settled at once."""
    session.execute(text("select pg_advisory_xact_lock_shared(hashtext('inventory_match.planogram'))"))


def apply(session: Session, shelf: Shelf, plan: Planogram, by: str) -> int:
    """The id of the new plan; the one that held is ended by it."""
    end(session, shelf)
    values = {"store": shelf.store, "location": shelf.location, "camera": shelf.camera, "name": plan.name}
    made = session.execute(insert(models.Planogram).values(applied_by=by, **values).returning(models.Planogram.id))
    planogram_id = made.scalar_one()
    rows = [
        {
            "planogram_id": planogram_id,
            "shelf_row": slot.row,
            "place_in_row": slot.place,
            "sku": slot.sku,
            "facings": slot.facings,
        }
        for slot in plan.slots
    ]
    session.execute(insert(PlanogramSlot), rows)
    return int(planogram_id)


def end(session: Session, shelf: Shelf) -> bool:
    """Takes the shelf's own plan out of force; False where there was none. One of the location is not its cameras'."""
    session.execute(text("select pg_advisory_xact_lock(hashtext('inventory_match.planogram'))"))
    mine = _of(shelf) if shelf.camera is None else models.Planogram.camera == shelf.camera
    statement = update(models.Planogram).where(mine, models.Planogram.ended_at.is_(None))
    return bool(session.execute(statement.values(ended_at=func.now()).returning(models.Planogram.id)).all())


def in_force(session: Session, shelf: Shelf) -> Kept | None:
    """The plan that holds for a shelf: the camera's own, else its location's."""
    plan = models.Planogram
    whose = plan.camera.is_(None) if shelf.camera is None else plan.camera.is_(None) | (plan.camera == shelf.camera)
    here = (plan.store == shelf.store) & (plan.location == shelf.location) & whose & plan.ended_at.is_(None)
    found = _kept(session, session.scalars(select(plan).where(here).order_by(plan.camera.nulls_last()).limit(1)))
    return found[0] if found else None


def find(session: Session, planogram_id: int) -> Kept | None:
    """A plan by its id, whether or not it still holds."""
    found = _kept(session, session.scalars(select(models.Planogram).where(models.Planogram.id == planogram_id)))
    return found[0] if found else None


def listed(session: Session, *, ended: bool = False) -> list[Kept]:
    """The plans in force, by shelf; with `ended` also those that were, newest first."""
    plan = models.Planogram
    statement = select(plan).order_by(plan.store, plan.location, plan.camera.nulls_first(), plan.id.desc())
    return _kept(session, session.scalars(statement if ended else statement.where(plan.ended_at.is_(None))))


def history(session: Session, view: View) -> list[Looked]:
    """What earlier photos of the camera showed at the places it knows, newest first: at most `LOOKS` a place."""
    shelf = view.shelf
    values = {"camera": shelf.camera, "store": shelf.store, "location": shelf.location, "looks": LOOKS}
    found = session.execute(_HISTORY, values | {"before": view.captured_at})
    return [Looked(row.position, row.shelf_row, row.place_in_row, row.sku) for row in found]


def newest_views(session: Session, shelf: Shelf) -> list[View]:
    """The newest settled photo of each camera that watches the location; of one camera only, where the shelf is its own."""
    found = session.execute(_NEWEST, {"store": shelf.store, "location": shelf.location})
    return [
        View(Shelf(shelf.store, shelf.location, row.camera), row.photo_id, row.captured_at, tuple(row.shelf_rows))
        for row in found
        if shelf.camera in (None, row.camera)
    ]


def seen(session: Session, photo_id: int) -> list[Facing]:
    """The facings of a settled shelf photo."""
    rows = session.scalars(select(ShelfFacing).where(ShelfFacing.photo_id == photo_id))
    return [
        Facing(one.shelf_row, one.place_in_row, one.position, one.x0, one.x1, Answer(one.answer), one.sku)
        for one in rows
    ]


def save_verdicts(session: Session, photo_id: int, planogram_id: int | None, judged: Sequence[Judged]) -> None:
    """Replaces what a photo says to what was expected."""
    session.execute(delete(ShelfVerdict).where(ShelfVerdict.photo_id == photo_id))
    rows = [
        {"photo_id": photo_id, "number": number, "planogram_id": planogram_id, **_verdict(one)}
        for number, one in enumerate(judged, 1)
    ]
    if rows:
        session.execute(insert(ShelfVerdict), rows)


def _verdict(one: Judged) -> dict[str, Any]:
    expected, seen_, elsewhere = one.expected, one.seen, one.elsewhere
    return {
        "shelf_row": expected.row if expected else None,
        "place_in_row": expected.place if expected else None,
        "sku": expected.sku if expected else seen_.sku if seen_ else None,
        "verdict": one.verdict,
        "seen_answer": seen_.answer if seen_ else None,
        "seen_sku": seen_.sku if seen_ else None,
        "seen_row": seen_.row if seen_ else None,
        "seen_place": seen_.place if seen_ else None,
        "position": seen_.position if seen_ else None,
        "stands_row": elsewhere.row if elsewhere else None,
        "stands_place": elsewhere.place if elsewhere else None,
        "seen_in": expected.seen_in if expected else None,
        "looks": expected.looks if expected else None,
    }


def _of(shelf: Shelf) -> Any:
    plan = models.Planogram
    return (plan.store == shelf.store) & (plan.location == shelf.location) & plan.camera.is_(None)


def _kept(session: Session, found: Iterable[models.Planogram]) -> list[Kept]:
    plans = list(found)
    slots: dict[int, list[Slot]] = {}
    whose = PlanogramSlot.planogram_id.in_([plan.id for plan in plans])
    order = PlanogramSlot.planogram_id, PlanogramSlot.shelf_row, PlanogramSlot.place_in_row
    for row in session.scalars(select(PlanogramSlot).where(whose).order_by(*order)):
        slots.setdefault(row.planogram_id, []).append(Slot(row.shelf_row, row.place_in_row, row.sku, row.facings))
    return [
        Kept(
            plan.id,
            Shelf(plan.store, plan.location, plan.camera),
            Planogram(plan.name, tuple(slots.get(plan.id, ()))),
            plan.applied_at,
            plan.applied_by,
            plan.ended_at,
        )
        for plan in plans
    ]
