"""A site in real rows: applied as a difference, twice the same, and told what it would change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from inventory_match import site_file
from inventory_match.db import site as rows
from inventory_match.db.models import Camera, Photo, Place, Product, RegionOwner, StockWatch
from inventory_match.db.site_apply import apply, kept, warnings
from inventory_match.domain.site import Site
from inventory_match.domain.site_changes import Change

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
S1 = """
[defaults.policy]
reorder_point = 2
clear_point = 4
target_level = 6
[stores.s1]
name = "One"
assortment = ["cola", "rice"]
[stores.s1.products.cola.policy]
target_level = 9
snooze_until = 2027-01-05T08:00:00+01:00
[stores.s1.locations.a]
[stores.s1.locations.b]
[[stores.s1.cameras]]
id = "left"
location = "a"
kind = "shelf"
keys = "{camera}/"
expected_every = "15m"
regions = [[0, 0, 0.5, 1], [0.5, 0, 1, 1]]
[[stores.s1.cameras]]
id = "right"
location = "b"
kind = "shelf"
keys = "{camera}/{captured_at}.jpg"
"""
S2 = """
[stores.s2]
name = "Two"
alerts_per_hour = 3
[stores.s2.policy]
depth = 2
[stores.s2.locations.a]
[[stores.s2.cameras]]
id = "phone"
location = "a"
kind = "product"
keys = "phone/"
records = "received"
"""


def parsed(toml: str) -> Site:
    return site_file.parse(toml, "site.toml").site


def told(changes: list[Change]) -> set[tuple[str, str, str]]:
    return {(change.what, change.kind, change.name) for change in changes}


def test_what_is_applied_is_what_is_read_back(session: Session) -> None:
    site = parsed(S1)
    assert told(apply(session, site)) == {
        ("created", "store", "s1"),
        ("created", "location", "s1/a"),
        ("created", "location", "s1/b"),
        ("created", "camera", "left"),
        ("created", "camera", "right"),
        ("created", "policy", "default"),
        ("created", "policy", "store s1, product cola"),
    }
    assert rows.load(session) == site
    assert apply(session, site) == []


def test_a_dry_run_tells_the_same_and_writes_nothing(session: Session) -> None:
    site = parsed(S1)
    wanted = apply(session, site, dry_run=True)
    assert rows.load(session) == Site(common=())
    assert apply(session, site) == wanted


def test_each_change_names_what_differs(session: Session) -> None:
    apply(session, parsed(S1))
    after = S1.replace("reorder_point = 2", "reorder_point = 3").replace('"One"', '"Uno"').replace(', "rice"', "")
    changed = {change.name: change for change in apply(session, parsed(after))}
    assert changed["s1"] == Change(
        "store",
        "s1",
        "changed",
        {"name": "One", "assortment": frozenset({"cola", "rice"})},
        {"name": "Uno", "assortment": frozenset({"cola"})},
    )
    assert changed["default"] == Change("policy", "default", "changed", {"reorder_point": 2}, {"reorder_point": 3})
    assert set(changed) == {"s1", "default"}
    assert rows.load(session) == parsed(after)


def test_a_file_of_one_store_leaves_the_others_and_the_common_rules_alone(session: Session) -> None:
    one, two = parsed(S1), parsed(S2)
    apply(session, one)
    apply(session, two)
    assert rows.load(session) == two.beside(one)
    assert kept(session, two) == one
    assert apply(session, one) == apply(session, two) == []


def test_what_left_the_file_goes(session: Session) -> None:
    apply(session, parsed(S1))
    less = S1[: S1.index('[[stores.s1.cameras]]\nid = "right"')].replace("[stores.s1.locations.b]\n", "")
    less = less.replace(
        "[stores.s1.products.cola.policy]\ntarget_level = 9\nsnooze_until = 2027-01-05T08:00:00+01:00\n", ""
    )
    assert told(apply(session, parsed(less))) == {
        ("removed", "camera", "right"),
        ("removed", "policy", "store s1, product cola"),
    }
    assert session.scalars(select(Camera.camera).where(Camera.active)).all() == ["left"]
    assert apply(session, parsed(less)) == []
    (warning,) = [warning for warning in warnings(session, parsed(less)) if "location" in warning]
    assert warning.startswith("location s1/b is not in the file and yet kept")


def test_a_location_goes_once_nothing_refers_to_it(session: Session) -> None:
    apply(session, parsed(S1))
    renamed = S1.replace("locations.b", "locations.c").replace('location = "b"', 'location = "c"')
    assert told(apply(session, parsed(renamed))) == {
        ("created", "location", "s1/c"),
        ("changed", "camera", "right"),
        ("removed", "location", "s1/b"),
    }
    assert rows.load(session) == parsed(renamed)


@pytest.mark.parametrize("table", ["stock_level", "stock_event", "photo"])
def test_a_location_with_a_history_stays(session: Session, table: str) -> None:
    apply(session, parsed(S1 + "[stores.s1.locations.c]\n"))
    values = {
        "stock_level": "(store, location, sku) values ('s1', 'c', 'cola')",
        "stock_event": "(store, location, sku, idempotency_key, kind, effect, units, observed_at, actor)"
        " values ('s1', 'c', 'cola', 'k', 'received', 'booked', 1, now(), 'me')",
        "photo": "(store, location, bucket, key, version, etag, source, event_time, captured_at, captured_source, state)"
        " values ('s1', 'c', 'b', 'k', 'v', 'e', 'event', now(), now(), 'event', 'done')",
    }
    session.execute(text(f"insert into inventory_match.{table} {values[table]}"))
    assert apply(session, parsed(S1)) == []
    assert "c" in rows.load(session).stores[0].locations


def test_cameras_may_swap_their_keys_and_places(session: Session) -> None:
    apply(session, parsed(S1))
    swapped = (
        S1.replace('id = "left"', 'id = "*"').replace('id = "right"', 'id = "left"').replace('id = "*"', 'id = "right"')
    )
    swapped = swapped.replace('keys = "{camera}/"', 'keys = "left/"').replace("{camera}/{cap", "right/{cap")
    assert told(apply(session, parsed(swapped))) == {("changed", "camera", "left"), ("changed", "camera", "right")}
    back = apply(session, parsed(S1))
    assert len(back) == 2
    assert {camera.camera: camera for camera in rows.cameras(session)} == {c.camera: c for c in parsed(S1).cameras}


def test_a_new_camera_takes_over_the_keys_of_one_that_left_and_the_old_one_may_come_back(session: Session) -> None:
    apply(session, parsed(S1))
    renamed = S1.replace('id = "left"', 'id = "new"').replace('keys = "{camera}/"', 'keys = "left/"')
    apply(session, parsed(renamed))
    apply(session, parsed(S1))
    assert [camera.camera for camera in rows.cameras(session)] == ["left", "right"]
    assert apply(session, parsed(S1)) == []


def test_a_region_that_moved_belongs_to_nobody(session: Session) -> None:
    apply(session, parsed(S1))
    for position in (0, 1):
        session.add(RegionOwner(camera="left", position=position, sku="cola", confirmed_at=NOW))
    session.flush()
    apply(session, parsed(S1.replace("[0.5, 0, 1, 1]", "[0.6, 0, 1, 1]")))
    assert session.scalars(select(RegionOwner.position)).all() == [0]
    apply(session, parsed(S1.replace('id = "left"', 'id = "new"')))
    assert session.scalars(select(RegionOwner.position)).all() == []


@pytest.mark.parametrize(
    "changed",
    [('location = "b"', 'location = "a"'), ('jpg"', 'jpg"\nregions = [[0, 0, 1, 1]]'), ('"right"', '"new"')],
)
def test_a_camera_that_looks_elsewhere_or_is_given_regions_forgets_its_places(
    session: Session, changed: tuple[str, str]
) -> None:
    apply(session, parsed(S1))
    session.add(Place(camera="right", position=1, x0=0, y0=0, x1=1, y1=1, seen_at=NOW))
    session.add(RegionOwner(camera="right", position=1, sku="cola", confirmed_at=NOW))
    session.flush()
    apply(session, parsed(S1.replace("captured_at}.jpg", "any}.jpg")))
    assert len(session.scalars(select(Place.position)).all()) == 1, "a change of its keys moves no place"
    apply(session, parsed(S1.replace(*changed)))
    assert session.scalars(select(Place.position)).all() == []
    assert session.scalars(select(RegionOwner.position)).all() == []


def test_two_cameras_of_one_location_and_the_rows_they_see_are_read_back(session: Session) -> None:
    site = parsed(S1.replace('location = "b"', 'location = "a"\nrows = [2, 3]'))
    apply(session, site)
    assert rows.load(session).cameras == site.cameras
    assert [camera.rows for camera in site.cameras] == [(), (2, 3)]
    (change,) = apply(session, parsed(S1.replace('location = "b"', 'location = "a"')))
    assert (change.before, change.after) == ({"rows": (2, 3)}, {"rows": ()})


def test_a_changed_policy_is_judged_again_where_it_matters(session: Session) -> None:
    apply(session, parsed(S1))
    apply(session, parsed(S2))
    session.add_all([StockWatch(store=store, sku="cola") for store in ("s1", "s2")])
    session.flush()
    dirty = select(StockWatch.store).where(StockWatch.dirty).order_by(StockWatch.store)
    apply(session, parsed(S2.replace("alerts_per_hour = 3", "alerts_per_hour = 4")))
    assert session.scalars(dirty).all() == []
    apply(session, parsed(S2.replace("depth = 2", "depth = 3")))
    assert session.scalars(dirty).all() == ["s2"]
    apply(session, parsed(S1.replace("reorder_point = 2", "reorder_point = 1")))
    assert session.scalars(dirty).all() == ["s1", "s2"]


def test_the_database_merges_rules_in_the_order_the_file_promises(session: Session) -> None:
    scopes = [
        "defaults",
        "categories.juice",
        "stores.s1",
        "stores.s1.categories.juice",
        "products.cola",
        "stores.s1.products.cola",
    ]
    session.add(Product(sku="cola", name="Cola", category="juice"))
    session.flush()
    for depth in range(1, len(scopes) + 1):
        policies = "".join(f"[{scope}.policy]\ndepth = {n}\n" for n, scope in enumerate(scopes[:depth], 1))
        apply(session, parsed('[stores.s1]\nname = "x"\n' + policies))
        merged = session.scalar(text("select inventory_match.effective_policy('s1', 'cola')"))
        assert merged == {"depth": depth}


def test_unknown_products_are_a_warning(session: Session) -> None:
    session.add(Product(sku="rice", name="Rice"))
    session.flush()
    apply(session, parsed(S1))
    assert warnings(session, parsed(S1)) == [
        "a policy names cola, which is not in the catalog",
        "the assortment of store s1 names cola, which is not in the catalog",
    ]


def photo(key: str, state: str = "unrouted", camera: str | None = None, at: datetime = NOW) -> Photo:
    return Photo(
        bucket="b", key=key, version="v", etag="e", source="event", event_time=at, captured_at=at,
        captured_source="event", state=state, camera=camera,
    )  # fmt: skip


def test_unrouted_photos_find_the_camera_that_claims_them_now(session: Session) -> None:
    session.add_all([photo("right/20260504T110000Z.jpg"), photo("right/20990101T000000.jpg"), photo("nobody/x.jpg")])
    session.add(photo("left/done.jpg", state="done"))
    session.flush()
    assert rows.reroute_unrouted(session, NOW) == []
    apply(session, parsed(S1))
    ids = rows.reroute_unrouted(session, NOW)
    session.expire_all()
    found = {row.key: row for row in session.scalars(select(Photo))}
    early, ahead = found["right/20260504T110000Z.jpg"], found["right/20990101T000000.jpg"]
    assert sorted(ids) == sorted([early.id, ahead.id])
    assert (early.state, early.camera, early.store, early.location) == ("registered", "right", "s1", "b")
    assert (early.captured_at, early.captured_source, early.clock_ahead) == (NOW - timedelta(hours=1), "key", False)
    assert (ahead.captured_at, ahead.captured_source, ahead.clock_ahead) == (NOW, "event", True)
    assert found["nobody/x.jpg"].state == "unrouted"
    assert found["left/done.jpg"].camera is None
    assert rows.reroute_unrouted(session, NOW) == []


def test_silence_is_told_once_and_only_where_photos_are_expected(session: Session) -> None:
    apply(session, parsed(S1))
    session.execute(text("update inventory_match.camera set created_at = :at"), {"at": NOW - timedelta(days=1)})
    session.add(photo("left/1.jpg", "done", "left", NOW - timedelta(minutes=14)))
    session.flush()
    assert rows.newly_silent(session, NOW) == []
    later = NOW + timedelta(minutes=2)
    (silent,) = rows.newly_silent(session, later)
    assert (silent.camera, silent.store, silent.location) == ("left", "s1", "a")
    assert silent.expected_interval == timedelta(minutes=15)
    assert silent.last_photo_at == NOW - timedelta(minutes=14)
    assert rows.newly_silent(session, later) == []


def test_a_camera_that_never_sent_anything_is_silent_from_the_day_it_was_set_up(session: Session) -> None:
    apply(session, parsed(S1))
    created = session.scalar(select(Camera.created_at).where(Camera.camera == "left"))
    assert created is not None
    assert rows.newly_silent(session, created + timedelta(minutes=14)) == []
    (silent,) = rows.newly_silent(session, created + timedelta(minutes=16))
    assert silent.last_photo_at is None
