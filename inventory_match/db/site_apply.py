"""Makes the rows say what a site says, as a difference, so that applying it twice changes nothing.

A site file may describe one store of many, so what it does not name is kept: other stores with all that is theirs, and the
rules common to all stores where the file has none. Within a named store the file is everything: its other cameras are
switched off, its other rules go, and its other locations too, unless something still refers to them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import delete, func, or_, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from inventory_match.domain.photos import Box
from inventory_match.domain.site import Camera, Site
from inventory_match.domain.site_changes import Change, changes

from .models import Assortment, Location, Place, PolicyRule, RegionOwner, Store
from .models import Camera as CameraRow
from .site import load
from .watch import mark_dirty


def kept(session: Session, site: Site) -> Site:
    """What applying `site` leaves as it is."""
    return _part(load(session), {store.store for store in site.stores}, named=False, common=site.common is None)


def categories(session: Session, skus: Collection[str]) -> dict[str, str | None]:
    """Category of each of these products that is in the catalog."""
    # An array, not a list of parameters: the protocol carries at most 65,535 of those.
    statement = text("select sku, category from inventory_match.product where sku = any(:skus)")
    return {row.sku: row.category for row in session.execute(statement, {"skus": sorted(skus)})}


def apply(session: Session, site: Site, *, dry_run: bool = False) -> list[Change]:
    """Tells what changes, and changes it unless it is a dry run. The caller commits.

    The site must have no `problems` together with what is `kept`.
    """
    session.execute(text("select pg_advisory_xact_lock(hashtext('inventory_match.site'))"))
    before = _current(session, site)
    before = _without(before, _pinned(session, before, site))
    found = changes(before, site)
    if found and not dry_run:
        _write_stores(session, site)
        _write_cameras(session, before, site)
        _remove_locations(session, before, site)
        _write_assortments(session, site)
        if any(change.kind == "policy" for change in found):
            _write_rules(session, site)
    return found


def warnings(session: Session, site: Site) -> list[str]:
    """What is right in itself and may yet be a mistake: unknown products, locations that cannot be removed."""
    named = {(f"the assortment of store {store.store}", sku) for store in site.stores for sku in store.assortment or ()}
    named |= {("a policy", rule.sku) for rule in site.all_rules if rule.sku is not None}
    known = categories(session, {sku for _, sku in named})
    unknown = [f"{where} names {sku}, which is not in the catalog" for where, sku in sorted(named) if sku not in known]
    pinned = sorted(_pinned(session, _current(session, site), site))
    return unknown + [
        f"location {store}/{place} is not in the file and yet kept: a camera, stock or photos refer to it"
        for store, place in pinned
    ]


def _current(session: Session, site: Site) -> Site:
    """What is applied of the part that `site` describes."""
    return _part(load(session), {store.store for store in site.stores}, named=True, common=site.common is not None)


def _part(whole: Site, stores: set[str], *, named: bool, common: bool) -> Site:
    return Site(
        tuple(store for store in whole.stores if (store.store in stores) is named),
        tuple(camera for camera in whole.cameras if (camera.store in stores) is named),
        tuple(rule for rule in whole.rules if (rule.store in stores) is named),
        whole.common if common else None,
    )


def _places(site: Site) -> set[tuple[str, str]]:
    return {(store.store, place) for store in site.stores for place in store.locations}


def _without(site: Site, places: set[tuple[str, str]]) -> Site:
    stores = (
        replace(
            store, locations={code: name for code, name in store.locations.items() if (store.store, code) not in places}
        )
        for store in site.stores
    )
    return replace(site, stores=tuple(stores))


def _pinned(session: Session, before: Site, site: Site) -> set[tuple[str, str]]:
    """Locations that should go and will stay, which is no change. Cameras that the site names move away by themselves."""
    gone = sorted(_places(before) - _places(site))
    rows = session.execute(
        text(
            "select store, location from unnest(cast(:stores as text[]), cast(:locations as text[])) as l (store, location)"
            " where exists (select from inventory_match.camera x"
            "               where (x.store, x.location) = (l.store, l.location) and x.camera <> all(:moving))"
            " or exists (select from inventory_match.stock_level x where (x.store, x.location) = (l.store, l.location))"
            " or exists (select from inventory_match.stock_event x where (x.store, x.location) = (l.store, l.location))"
            " or exists (select from inventory_match.photo x where (x.store, x.location) = (l.store, l.location))"
        ),
        {
            "stores": [store for store, _ in gone],
            "locations": [place for _, place in gone],
            "moving": [camera.camera for camera in site.cameras],
        },
    )
    return {(row.store, row.location) for row in rows}


def _write_stores(session: Session, site: Site) -> None:
    stores = [
        {
            "store": store.store,
            "name": store.name,
            "timezone": store.timezone,
            "assortment_all": store.assortment is None,
            "alerts_per_hour": store.alerts_per_hour,
            "keep_photos_days": store.keep_photos_days,
        }
        for store in site.stores
    ]
    _upsert(session, Store, ["store"], stores)
    places = [
        {"store": store.store, "location": code, "name": name}
        for store in site.stores
        for code, name in store.locations.items()
    ]
    _upsert(session, Location, ["store", "location"], places)


def _remove_locations(session: Session, before: Site, site: Site) -> None:
    gone = _places(before) - _places(site)
    session.execute(delete(Location).where(tuple_(Location.store, Location.location).in_(gone)))


def _write_cameras(session: Session, before: Site, site: Site) -> None:
    """Cameras that change give up their keys first: else two that swap them would meet in the unique index."""
    old = {camera.camera: camera for camera in before.cameras}
    new = {camera.camera: camera for camera in site.cameras}
    changed = [camera for camera in site.cameras if old.get(camera.camera) != camera]
    leaving = [code for code, camera in old.items() if new.get(code) != camera]
    wanted = {camera.key_pattern for camera in changed}
    session.execute(
        update(CameraRow)
        .where(or_(CameraRow.camera.in_(leaving), ~CameraRow.active & CameraRow.key_pattern.in_(wanted)))
        .values(active=False, key_pattern=CameraRow.camera + " gave up " + CameraRow.key_pattern)
    )
    _disown_regions(session, old, new)
    _upsert(session, CameraRow, ["camera"], [_camera_row(camera) for camera in changed])
    # One that comes back has not been silent: its interval starts now.
    switched_on = [camera.camera for camera in changed if camera.camera not in old]
    session.execute(update(CameraRow).where(CameraRow.camera.in_(switched_on)).values(created_at=func.now()))


def _camera_row(camera: Camera) -> dict[str, Any]:
    return {
        "camera": camera.camera,
        "store": camera.store,
        "location": camera.location,
        "kind": camera.kind,
        "key_pattern": camera.key_pattern,
        "records": camera.records,
        "regions": [[box.x0, box.y0, box.x1, box.y1] for box in camera.regions],
        "shelf_rows": list(camera.rows),
        "expected_interval": camera.expected_interval,
        "active": True,
        "silent_since": None,
    }


def _disown_regions(session: Session, old: dict[str, Camera], new: dict[str, Camera]) -> None:
    """A region that was moved belongs to no product any more: a void in it says nothing about the old place.

    So with all places of a camera that looks elsewhere now, or begins or ceases to find facings by itself.
    """
    for code, before in old.items():
        after = new.get(code)
        elsewhere = after is None or _looks_at(after) != _looks_at(before)
        kept_regions: Sequence[Box] = () if after is None or elsewhere else after.regions
        moved = [i for i, box in enumerate(before.regions) if i >= len(kept_regions) or kept_regions[i] != box]
        if moved or elsewhere:
            where = [RegionOwner.camera == code] + ([] if elsewhere else [RegionOwner.position.in_(moved)])
            session.execute(delete(RegionOwner).where(*where))
        if elsewhere:
            session.execute(delete(Place).where(Place.camera == code))


def _looks_at(camera: Camera) -> tuple[str, str, str, bool]:
    return camera.store, camera.location, camera.kind, bool(camera.regions)


def _write_assortments(session: Session, site: Site) -> None:
    for store in site.stores:
        sold = store.assortment or frozenset()
        session.execute(
            text("delete from inventory_match.assortment where store = :store and not sku = any(:sold)"),
            {"store": store.store, "sold": sorted(sold)},
        )
        rows = [{"store": store.store, "sku": sku} for sku in sorted(sold)]
        if rows:
            session.execute(insert(Assortment).on_conflict_do_nothing(), rows)


def _write_rules(session: Session, site: Site) -> None:
    """Replaced as a whole: nothing refers to a rule. What they may touch is judged again."""
    stores: list[str | None] = [store.store for store in site.stores]
    scope = PolicyRule.store.in_(stores)
    session.execute(delete(PolicyRule).where(scope if site.common is None else or_(scope, PolicyRule.store.is_(None))))
    rows = [
        {"store": rule.store, "category": rule.category, "sku": rule.sku, "settings": dict(rule.settings)}
        for rule in site.all_rules
    ]
    if rows:
        session.execute(insert(PolicyRule), rows)
    for store in [None] if site.common is not None else stores:
        mark_dirty(session, store)


def _upsert(session: Session, table: Any, key: list[str], rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    statement = insert(table)
    values = {name: statement.excluded[name] for name in rows[0] if name not in key}
    session.execute(statement.on_conflict_do_update(index_elements=key, set_=values), rows)
