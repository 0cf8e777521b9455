"""The places a camera without fixed regions remembers: boxes with numbers, which are given once and never again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from inventory_match.domain import places as domain
from inventory_match.domain.photos import Box

from .models import Camera, Place, RegionOwner


def load(session: Session, camera: str) -> tuple[domain.Place, ...]:
    """The places of a camera, each with the product it belongs to."""
    belongs = (RegionOwner.camera == Place.camera) & (RegionOwner.position == Place.position)
    statement = select(Place, RegionOwner.sku).outerjoin(RegionOwner, belongs).where(Place.camera == camera)
    return tuple(
        domain.Place(row.position, Box(row.x0, row.y0, row.x1, row.y1), sku, row.seen_at)
        for row, sku in session.execute(statement.order_by(Place.position))
    )


def given(session: Session, camera: str) -> int:
    """The last number given to a place of the camera."""
    return session.scalar(select(Camera.places_given).where(Camera.camera == camera)) or 0


def give(session: Session, camera: str, last: int) -> None:
    """Notes that numbers up to `last` are given."""
    session.execute(update(Camera).where(Camera.camera == camera).values(places_given=last))


def save(session: Session, camera: str, seen: Mapping[int, Box], at: datetime) -> None:
    """Something stands at these positions, seen at `at`."""
    rows = [
        {"camera": camera, "position": position, "x0": box.x0, "y0": box.y0, "x1": box.x1, "y1": box.y1, "seen_at": at}
        for position, box in sorted(seen.items())
    ]
    if rows:
        statement = insert(Place)
        values = {name: statement.excluded[name] for name in ("x0", "y0", "x1", "y1", "seen_at")}
        session.execute(statement.on_conflict_do_update(index_elements=["camera", "position"], set_=values), rows)


def forget(session: Session, camera: str, positions: Collection[int]) -> None:
    """These are places no more, and belong to nobody."""
    for table in (Place, RegionOwner):
        session.execute(delete(table).where(table.camera == camera, table.position.in_(positions)))
