"""The truth a soak compares with must be a truth: the same for everybody, whatever order the photos arrive in."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from inventory_match import site_file
from inventory_match.soak.acts import make_acts
from inventory_match.soak.plan import CLOSING, DOCK, FULL, Plan, make_plan, products_for, shelves_for, site_toml

OPENS = datetime(2026, 3, 2, 8, tzinfo=UTC)


def plan(photos: int = 300, seed: int = 3) -> Plan:
    return make_plan(photos, seed, [f"sku-{i:02d}" for i in range(products_for(photos))], OPENS)


def test_the_seed_decides_everything() -> None:
    assert plan() == plan()
    assert plan(seed=4) != plan()
    assert make_acts(300, 3) == make_acts(300, 3) != make_acts(300, 4)


@pytest.mark.parametrize("photos", [20, 200, 2000])
def test_as_many_photos_as_asked_for_each_with_a_name_of_its_own(photos: int) -> None:
    made = plan(photos)
    assert len(made.shots) == photos == len({shot.key for shot in made.shots})
    assert len(made.closing) == CLOSING * len(shelves_for(photos))
    assert {shot.camera for shot in made.opening} == set(shelves_for(photos))
    calm = made.opening + made.closing
    assert not any(shot.trouble or shot.broken or shot.telling != "once" for shot in calm)


@pytest.mark.parametrize("photos", [20, 2000])
def test_what_a_shelf_shows_never_rises_so_that_no_order_of_arrival_changes_the_alerts(photos: int) -> None:
    made = plan(photos)
    for shelf in made.shelves:
        falling = next(sku for place, sku in made.levels if place == shelf and sku in made.falling)
        shown = [
            shot.shows.count(falling)
            for shot in sorted(made.shots, key=lambda shot: shot.key)
            if shot.camera == shelf and not shot.broken
        ]
        assert shown == sorted(shown, reverse=True)
        assert shown[0] == FULL
        assert shown[-1] == made.levels[shelf, falling]


def test_alerts_follow_from_the_levels_at_the_end() -> None:
    made = plan(200)
    ends = Counter(units for (_, sku), units in made.levels.items() if sku in made.falling)
    kinds = Counter(kind for kind, _ in made.alerts.elements())
    assert kinds == {"stock.low": ends[0] + ends[1], "reorder.opened": ends[0] + ends[1], "stock.out": ends[0]}
    assert min(ends[0], ends[1], ends[2]) > 0, "falling to nothing, falling low, and staying are all tried"


def test_the_dock_books_one_unit_a_whole_photo() -> None:
    made = plan()
    assert sum(made.received.values()) == sum(shot.camera == DOCK and not shot.broken for shot in made.storm) > 0


def test_every_trouble_and_every_telling_is_met_by_some_photo() -> None:
    made = plan(2000)
    assert {shot.trouble for shot in made.storm} == {"", "500", "503", "403", "404", "silence", "cut"}
    assert {shot.telling for shot in made.storm} == {"once", "twice", "shuffled", "late", "never"}
    assert all((shot.refusals > 0) == bool(shot.trouble) for shot in made.storm)


def test_the_site_can_be_applied() -> None:
    site_file.parse(site_toml(plan()), "site.toml")


def test_too_few_photos_are_refused() -> None:
    with pytest.raises(ValueError, match="20 photos"):
        make_plan(10, 1, [f"sku-{i}" for i in range(10)], OPENS)
