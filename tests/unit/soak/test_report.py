"""The count of a soak must be able to come out badly: each thing that can go wrong, alone, is a complaint."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from inventory_match.soak.plan import Plan, make_plan, products_for
from inventory_match.soak.receivers import Post
from inventory_match.soak.report import Course, make_report
from inventory_match.soak.subject import Facts

PLAN: Plan = make_plan(60, 1, [f"sku-{i:02d}" for i in range(products_for(60))], datetime(2026, 3, 2, 8, tzinfo=UTC))
KEY, SKU = next((shot.key, sku) for shot in PLAN.shots for sku in shot.shows if sku in PLAN.falling)
PLACE = next(iter(PLAN.levels))
ORDERED = next(iter(PLAN.reorders))
COURSE = Course(1, 1, 1, 0, 0, PLAN.alerts.total(), Counter(), Counter(), Counter(), Counter())
RIGHT = Facts(
    states={shot.key: ["rejected" if shot.broken else "done"] for shot in PLAN.shots},
    ledger=Counter({(shot.key, sku): 1 for shot in PLAN.shots for sku in shot.shows if sku}),
    received=PLAN.received,
    levels=PLAN.levels,
    reorders=PLAN.reorders,
)
POSTS = [Post(f"msg_{i}", kind, sku, verified=True, taken=True) for i, (kind, sku) in enumerate(PLAN.alerts.elements())]


def complaints(facts: Facts = RIGHT, posts: list[Post] = POSTS, course: Course = COURSE) -> list[str]:
    return make_report("somebody", PLAN, facts, posts, course).complaints


def test_all_as_planned_is_no_complaint() -> None:
    assert complaints() == []


@pytest.mark.parametrize("states", [[], ["processing"], ["done", "done"], ["registered"]])
def test_a_photo_that_is_not_exactly_once_at_rest_is_lost(states: list[str]) -> None:
    assert complaints(replace(RIGHT, states={**RIGHT.states, KEY: states})) == ["lost: 1"]


def test_a_second_row_for_a_photo_and_product_is_doubled() -> None:
    assert complaints(replace(RIGHT, ledger=RIGHT.ledger + Counter({(KEY, SKU): 1}))) == ["doubled ledger rows: 1"]


def test_a_row_that_is_not_there_is_missing_and_named() -> None:
    report = make_report(
        "somebody", PLAN, replace(RIGHT, ledger=RIGHT.ledger - Counter({(KEY, SKU): 1})), POSTS, COURSE
    )
    assert report.complaints == ["missing ledger rows: 1"]
    assert report.examples == [f"{KEY} has no row for {SKU}"]


@pytest.mark.parametrize(("more", "told"), [(1, "doubled ledger rows: 1"), (-1, "missing ledger rows: 1")])
def test_units_booked_at_the_dock_are_summed(more: int, told: str) -> None:
    sku, units = next(iter(PLAN.received.items()))
    assert complaints(replace(RIGHT, received={**PLAN.received, sku: units + more})) == [told]


@pytest.mark.parametrize(("more", "told"), [(1, "doubled reorders: 1"), (-1, "missing reorders: 1")])
def test_reorders_are_counted_a_product(more: int, told: str) -> None:
    changed = Counter(PLAN.reorders)
    changed[ORDERED] += more
    assert complaints(replace(RIGHT, reorders=+changed)) == [told]


def test_a_level_that_is_not_the_last_photos_is_wrong() -> None:
    assert complaints(replace(RIGHT, levels={**PLAN.levels, PLACE: 7})) == ["wrong levels: 1"]


def test_an_alert_under_a_second_id_is_told() -> None:
    again = replace(POSTS[0], message_id="msg_again")
    assert complaints(posts=[*POSTS, again]) == ["alerts under a second id: 1"]
    assert complaints(posts=[*POSTS, POSTS[0]]) == [], "the same id again is what at least once means"


def test_an_alert_that_was_never_taken_is_told() -> None:
    refused = [replace(POSTS[0], taken=False), *POSTS[1:]]
    assert complaints(posts=refused) == ["alerts not received: 1"]


def test_a_signature_that_does_not_verify_is_told() -> None:
    assert complaints(posts=[replace(POSTS[0], verified=False, taken=False), *POSTS]) == [
        "posts that did not verify: 1"
    ]


def test_an_alert_that_a_resend_does_not_bring_is_told() -> None:
    one_short = replace(COURSE, received_after_resend=COURSE.received_after_resend - 1)
    assert complaints(course=one_short) == ["alerts not received after a resend: 1"]


def test_a_dead_photo_must_be_told_too() -> None:
    dead = replace(RIGHT, told_dead=[KEY])
    one_more = replace(COURSE, received_after_resend=COURSE.received_after_resend + 1)
    assert complaints(dead, course=one_more) == ["alerts not received: 1", "alerts under a second id: -1"]
    told = Post("msg_dead", "photo.dead", KEY, verified=True, taken=True)
    assert complaints(dead, [*POSTS, told], one_more) == []
