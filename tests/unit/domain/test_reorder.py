"""When to care: one alert and one reorder an episode, however the level swings; snoozes; order quantities."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_match.domain.events import UNDER_CEILING, EventType
from inventory_match.domain.reorder import REORDER_MOVES, Policy, ReorderState, Stage, judge, order_quantity

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
POLICY = Policy(reorder_point=3, clear_point=6, target_level=12, pack_size=5)


def raised(levels: list[int], policy: Policy = POLICY) -> tuple[Counter[EventType], list[int], Stage]:
    """Alerts, orders and the last stage of a sequence of levels; a reorder, once opened, stays open."""
    stage, alerts, orders = Stage.OK, Counter[EventType](), list[int]()
    for level in levels:
        verdict = judge(stage, level, policy, on_order=0, has_open_reorder=bool(orders), now=NOW)
        stage = verdict.stage
        alerts.update(verdict.alerts)
        if verdict.order_units:
            orders.append(verdict.order_units)
    return alerts, orders, stage


def test_low_is_at_the_point_and_orders_up_to_the_target_in_packs() -> None:
    assert raised([4])[0] == {}
    assert raised([3]) == ({EventType.STOCK_LOW: 1}, [10], Stage.LOW)


def test_a_hundred_swings_around_the_point_are_one_alert_and_one_order() -> None:
    assert raised([3, 4] * 50) == ({EventType.STOCK_LOW: 1}, [10], Stage.LOW)
    assert raised([5, 0] * 50)[0] == {EventType.STOCK_LOW: 1, EventType.STOCK_OUT: 1}


def test_the_clear_point_ends_the_episode_and_arms_the_next() -> None:
    alerts, orders, stage = raised([3, 6, 6, 3])

    assert alerts == {EventType.STOCK_LOW: 2, EventType.STOCK_RECOVERED: 1}
    assert orders == [10]
    assert stage is Stage.LOW


def test_sold_out_at_once_is_low_and_out() -> None:
    verdict = judge(Stage.OK, 0, POLICY, on_order=0, has_open_reorder=False, now=NOW)

    assert verdict.alerts == (EventType.STOCK_LOW, EventType.STOCK_OUT)
    assert verdict.order_units == 15
    assert verdict.rule == "level 0 <= reorder point 3"


def test_a_snooze_holds_everything_back_and_its_end_judges_again() -> None:
    snoozed = replace(POLICY, snooze_until=NOW + timedelta(hours=1))

    held = judge(Stage.OK, 0, snoozed, on_order=0, has_open_reorder=False, now=NOW)
    assert (held.stage, held.alerts, held.order_units) == (Stage.OK, (), None)
    after = judge(Stage.OK, 0, snoozed, on_order=0, has_open_reorder=False, now=NOW + timedelta(hours=1))
    assert after.alerts == (EventType.STOCK_LOW, EventType.STOCK_OUT)


def test_what_is_on_order_is_not_ordered_again() -> None:
    assert order_quantity(2, POLICY, on_order=0) == 10
    assert order_quantity(2, POLICY, on_order=4) == 10
    assert order_quantity(2, POLICY, on_order=5) == 5
    assert order_quantity(2, POLICY, on_order=10) == 0
    assert order_quantity(-4, POLICY, on_order=0) == 15


@given(st.integers(-5, 50), st.integers(1, 50), st.integers(1, 12), st.integers(0, 60))
def test_an_order_reaches_the_target_and_no_pack_more(level: int, target: int, pack: int, on_order: int) -> None:
    policy = Policy(reorder_point=0, clear_point=1, target_level=target, pack_size=pack)
    units = order_quantity(level, policy, on_order)

    assert units % pack == 0
    assert max(level, 0) + on_order + units >= target
    assert units == 0 or max(level, 0) + on_order + units - pack < target


@given(st.lists(st.integers(-1, 15), max_size=60))
def test_alerts_alternate_with_recoveries(levels: list[int]) -> None:
    stage, low, told = Stage.OK, False, list[EventType]()
    for level in levels:
        verdict = judge(stage, level, POLICY, on_order=0, has_open_reorder=low, now=NOW)
        stage, told = verdict.stage, [*told, *verdict.alerts]
        assert not (verdict.order_units and EventType.STOCK_LOW not in verdict.alerts)
    episodes = [one for one in told if one is not EventType.STOCK_OUT]

    assert episodes == [EventType.STOCK_LOW, EventType.STOCK_RECOVERED] * (len(episodes) // 2) + (
        [EventType.STOCK_LOW] if len(episodes) % 2 else []
    )
    assert (stage is Stage.OK) == (len(episodes) % 2 == 0)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"reorder_point": -1}, "reorder_point"),
        ({"clear_point": 3}, "clear_point"),
        ({"target_level": 5}, "target_level"),
        ({"pack_size": 0}, "pack_size"),
        ({"confirmations": 0}, "confirmations"),
        ({"depth": 0}, "depth"),
        ({"lead_time_days": -1}, "lead_time_days"),
    ],
)
def test_a_policy_that_makes_no_sense_names_its_key(change: dict[str, int], key: str) -> None:
    complaint = replace(POLICY, **change).complaint()  # type: ignore[arg-type] # every key here is a number

    assert complaint is not None
    assert complaint[0] == key
    assert POLICY.complaint() is None


def test_every_reorder_ends_and_what_has_ended_stays_so() -> None:
    assert REORDER_MOVES.keys() == set(ReorderState)
    for ended in (ReorderState.RECEIVED, ReorderState.CANCELLED):
        assert not REORDER_MOVES[ended]
    for state in ReorderState:
        reachable, front = {state}, {state}
        while front := {after for one in front for after in REORDER_MOVES[one]} - reachable:
            reachable |= front
        assert reachable & {ReorderState.RECEIVED, ReorderState.CANCELLED}


def test_orders_and_faults_are_never_held_back() -> None:
    assert {EventType.REORDER_OPENED, EventType.PHOTO_DEAD, EventType.CAMERA_SILENT}.isdisjoint(UNDER_CEILING)
