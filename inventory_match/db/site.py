"""The site in rows, read: what is applied, which camera takes a key, which cameras have gone silent. `site_apply` writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from inventory_match.domain.photos import Box, PhotoState, captured_at
from inventory_match.domain.rules import Rule
from inventory_match.domain.site import Camera, Cameras, Site, Store, route

from . import models

__all__ = ["Cameras", "Silent", "cameras", "load", "newly_silent", "reroute_unrouted", "route"]


def load(session: Session) -> Site:
    """Everything that is applied now; cameras that are switched off are no part of it."""
    rows = session.scalars(select(models.PolicyRule).order_by(models.PolicyRule.id))
    rules = [Rule(row.store, row.category, row.sku, row.settings) for row in rows]
    return Site(
        tuple(_stores(session)),
        tuple(cameras(session)),
        tuple(rule for rule in rules if rule.store is not None),
        tuple(rule for rule in rules if rule.store is None),
    )


def _stores(session: Session) -> list[Store]:
    places: dict[str, dict[str, str]] = {}
    for place in session.scalars(select(models.Location).order_by(models.Location.store, models.Location.location)):
        places.setdefault(place.store, {})[place.location] = place.name
    sold: dict[str, set[str]] = {}
    for listed in session.scalars(select(models.Assortment)):
        sold.setdefault(listed.store, set()).add(listed.sku)
    return [
        Store(
            row.store,
            row.name,
            row.timezone,
            None if row.assortment_all else frozenset(sold.get(row.store, ())),
            row.alerts_per_hour,
            row.keep_photos_days,
            places.get(row.store, {}),
        )
        for row in session.scalars(select(models.Store).order_by(models.Store.store))
    ]


def hold(session: Session) -> None:
    """One site change at a time, and no photo is registered beside it: none can miss its camera between the two."""
    session.execute(text("select pg_advisory_xact_lock(hashtext('inventory_match.site'))"))


def cameras_held(session: Session) -> list[Camera]:
    """The cameras, which stay as they are until the transaction ends; any number of intakes may hold them."""
    session.execute(text("select pg_advisory_xact_lock_shared(hashtext('inventory_match.site'))"))
    return cameras(session)


def cameras(session: Session) -> list[Camera]:
    """The cameras that are switched on."""
    rows = session.scalars(
        select(models.Camera).where(models.Camera.active).order_by(models.Camera.store, models.Camera.camera)
    )
    return [
        Camera(
            row.camera,
            row.store,
            row.location,
            row.kind,
            row.key_pattern,
            row.records,
            tuple(Box(*corners) for corners in row.regions),
            row.expected_interval,
            rows=tuple(row.shelf_rows),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Silent:
    """A camera that missed its expected interval; `last_photo_at` is when its last upload happened."""

    camera: str
    store: str
    location: str
    expected_interval: timedelta
    last_photo_at: datetime | None


def newly_silent(session: Session, now: datetime) -> list[Silent]:
    """Cameras that have been silent for longer than they should since the last call; each silence is told once.

    The next photo of a camera (`photos.register`) arms it again.
    """
    rows = session.execute(
        text(
            "with quiet as ("
            "  select c.camera, (select p.event_time from inventory_match.photo p where p.camera = c.camera"
            "                    order by p.captured_at desc limit 1) as last_photo_at"
            "  from inventory_match.camera c"
            "  where c.active and c.silent_since is null and c.expected_interval is not null"
            "  order by c.camera for update skip locked)"
            " update inventory_match.camera c set silent_since = :now from quiet q"
            " where q.camera = c.camera"
            "   and greatest(q.last_photo_at, c.created_at) + c.expected_interval < cast(:now as timestamptz)"
            " returning c.camera, c.store, c.location, c.expected_interval, q.last_photo_at"
        ),
        {"now": now},
    )
    return sorted((Silent(*row) for row in rows), key=lambda silent: silent.camera)


def reroute_unrouted(session: Session, now: datetime) -> list[int]:
    """Gives unrouted photos the camera that claims their key now; returns the ids to kick."""
    known = cameras(session)
    unrouted = session.execute(
        select(models.Photo.id, models.Photo.key, models.Photo.event_time)
        .where(models.Photo.state == PhotoState.UNROUTED)
        .order_by(models.Photo.id)
        .with_for_update(skip_locked=True)
    )
    rows = []
    for photo in unrouted:
        if routed := route(known, photo.key):
            camera, match = routed
            captured = captured_at(photo.event_time, from_key=match.captured_at, from_exif=None)
            rows.append(
                {
                    "id": photo.id,
                    "camera": camera.camera,
                    "store": camera.store,
                    "location": camera.location,
                    "captured_at": captured.at,
                    "captured_source": captured.source,
                    "clock_ahead": captured.clock_ahead,
                    "state": PhotoState.REGISTERED,
                    "next_attempt_at": now,
                    "kicked_at": now,
                }
            )
    if rows:
        session.execute(update(models.Photo), rows)
    return [row["id"] for row in rows]
