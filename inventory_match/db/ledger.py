"""The append-only ledger and the levels read from it, one location at a time.

Whoever changes the levels of a location first locks its row, so that two photos of one shelf are settled one after the
other and no order of locks can form a cycle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from inventory_match.domain.errors import NotFound
from inventory_match.domain.ledger import Effect, Kind, Level, Observed

from .models import Location, Product, RegionOwner, StockEvent, StockLevel, Store


@dataclass(frozen=True, slots=True)
class Counted:
    """One count as it goes into the ledger. `key` is its idempotency key: the same one twice is the same count."""

    key: str
    kind: Kind
    store: str
    location: str
    sku: str
    observed: Observed
    actor: str
    photo_id: int | None = None
    camera: str | None = None
    note: str | None = None


def lock_location(session: Session, store: str, location: str) -> None:
    """Serialises the settling of one location. Raises NotFound where it does not exist."""
    statement = select(Location.location).where(Location.store == store, Location.location == location)
    if session.execute(statement.with_for_update(key_share=True)).scalar() is None:
        raise NotFound(f"location {location!r} does not exist in store {store!r}")


def refuse_unknown_product(session: Session, sku: str) -> None:
    """Raises NotFound where the catalog has no such product."""
    if session.get(Product, sku) is None:
        raise NotFound(f"sku {sku!r} is not in the catalog; `inventory-match catalog list` shows what is")


def store_zone(session: Session, store: str) -> str:
    """The IANA zone of a store. Raises NotFound where it does not exist."""
    zone = session.scalar(select(Store.timezone).where(Store.store == store))
    if zone is None:
        raise NotFound(f"store {store!r} does not exist; `inventory-match site apply` makes stores")
    return zone


def levels(session: Session, store: str, location: str) -> dict[str, Level]:
    """Every level of a location, by sku."""
    rows = session.scalars(select(StockLevel).where(StockLevel.store == store, StockLevel.location == location))
    return {
        row.sku: Level(row.units, row.facings, row.counted_at, row.seen_at, row.pending_units, row.pending_photos)
        for row in rows
    }


@dataclass(frozen=True, slots=True)
class Believed:
    """Facings a camera counted, not settled at zero, and the camera that counted last."""

    facings: int
    camera: str


def believed(session: Session, store: str, location: str) -> dict[str, Believed]:
    """The products that cameras counted at the location and that are not settled at zero."""
    rows = session.execute(
        select(StockLevel.sku, func.coalesce(StockLevel.facings, 0).label("facings"), StockLevel.camera).where(
            StockLevel.store == store,
            StockLevel.location == location,
            StockLevel.camera.is_not(None),
            (StockLevel.units > 0) | (StockLevel.pending_photos > 0),
        )
    )
    return {row.sku: Believed(row.facings, str(row.camera)) for row in rows}


def append_count(session: Session, counted: Counted, effect: Effect, level: Level) -> bool:
    """Writes a count and the level it leads to; False where its key is already there, and then nothing changes."""
    observed = counted.observed
    row = {
        "idempotency_key": counted.key,
        "kind": counted.kind,
        "effect": effect,
        "store": counted.store,
        "location": counted.location,
        "sku": counted.sku,
        "facings": observed.facings,
        "depth": observed.depth,
        "units": observed.units,
        "photo_id": counted.photo_id,
        "observed_at": observed.at,
        "actor": counted.actor,
        "note": counted.note,
    }
    statement = insert(StockEvent).values(row).on_conflict_do_nothing(index_elements=["idempotency_key"])
    event_id = session.execute(statement.returning(StockEvent.id)).scalar()
    if event_id is None:
        return False
    if effect is not Effect.LATE:
        _save_level(session, counted, effect, level, event_id)
    return True


def _save_level(session: Session, counted: Counted, effect: Effect, level: Level, event_id: int) -> None:
    place = {"store": counted.store, "location": counted.location, "sku": counted.sku}
    fresh = {**asdict(level), "camera": counted.camera}
    if effect is not Effect.AWAITING:
        fresh["event_id"] = event_id
    statement = insert(StockLevel).values({**place, **fresh})
    kept = {**fresh, "camera": func.coalesce(statement.excluded.camera, StockLevel.camera)}
    session.execute(statement.on_conflict_do_update(index_elements=["store", "location", "sku"], set_=kept))


def owners(session: Session, camera: str) -> dict[int, str]:
    """Region position to the product last confirmed there."""
    rows = session.scalars(select(RegionOwner).where(RegionOwner.camera == camera))
    return {row.position: row.sku for row in rows}


def save_owners(session: Session, camera: str, owned: Mapping[int, str], at: datetime) -> None:
    for position, sku in sorted(owned.items()):
        statement = insert(RegionOwner).values(camera=camera, position=position, sku=sku, confirmed_at=at)
        changes = {"sku": sku, "confirmed_at": at}
        session.execute(statement.on_conflict_do_update(index_elements=["camera", "position"], set_=changes))


def forget_owners(session: Session, camera: str) -> None:
    """A camera whose regions changed starts afresh."""
    session.execute(delete(RegionOwner).where(RegionOwner.camera == camera))


def record_movement(
    session: Session,
    store: str,
    sku: str,
    kind: Kind,
    units: int,
    *,
    location: str | None,
    at: datetime | None,
    key: str,
    note: str | None,
) -> int:
    """A book movement through the same door analysts use; returns the ledger row's id, the first one's if told twice."""
    statement = text(
        "select inventory_match.record_movement(:store, :sku, :kind, :units, :location, coalesce(:at, now()), :key, :note)"
    )
    values = {"store": store, "sku": sku, "kind": kind, "units": units, "location": location, "at": at}
    return int(session.execute(statement, {**values, "key": key, "note": note}).scalar_one())
