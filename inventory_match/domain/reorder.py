"""When to care: a level and a policy become alerts and at most one reorder, with hysteresis.

An *episode* begins when the level falls to the reorder point and ends when it reaches the clear point. Within one episode
each alert is raised once and at most one reorder is opened, however often the level swings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .events import EventType


class Stage(StrEnum):
    """How bad it has been within the current episode."""

    OK = "ok"
    LOW = "low"
    OUT = "out"


class ReorderState(StrEnum):
    OPENED = "opened"
    PLACED = "placed"
    PARTLY_RECEIVED = "partly_received"
    RECEIVED = "received"
    CANCELLED = "cancelled"


REORDER_MOVES: dict[ReorderState, frozenset[ReorderState]] = {
    ReorderState.OPENED: frozenset({ReorderState.PLACED, ReorderState.CANCELLED}),
    ReorderState.PLACED: frozenset({ReorderState.PARTLY_RECEIVED, ReorderState.RECEIVED, ReorderState.CANCELLED}),
    ReorderState.PARTLY_RECEIVED: frozenset(
        {ReorderState.PARTLY_RECEIVED, ReorderState.RECEIVED, ReorderState.CANCELLED}
    ),
    ReorderState.RECEIVED: frozenset(),
    ReorderState.CANCELLED: frozenset(),
}
"""Which state may follow which; an opened reorder must be placed before anything can be received on it."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Stock policy of one product in one store, in units; judged on the sum over the store's locations."""

    reorder_point: int
    clear_point: int
    target_level: int
    pack_size: int = 1
    lead_time_days: int = 0
    confirmations: int = 1
    depth: int = 1
    snooze_until: datetime | None = None

    def complaint(self) -> tuple[str, str] | None:
        """The first key that makes no sense, with the reason, or None."""
        if self.reorder_point < 0:
            return "reorder_point", "must be 0 or more"
        if self.clear_point <= self.reorder_point:
            return "clear_point", f"must be above the reorder point ({self.reorder_point})"
        if self.target_level < self.clear_point:
            return "target_level", f"must be at or above the clear point ({self.clear_point})"
        for key, least in (("pack_size", 1), ("confirmations", 1), ("depth", 1), ("lead_time_days", 0)):
            if getattr(self, key) < least:
                return key, f"must be {least} or more"
        return None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from a level: the stage to remember, the alerts to raise, the units to order (None: no reorder)."""

    stage: Stage
    alerts: tuple[EventType, ...] = ()
    order_units: int | None = None
    rule: str = ""


def judge(stage: Stage, level: int, policy: Policy, *, on_order: int, has_open_reorder: bool, now: datetime) -> Verdict:
    """What a level means under a policy.

    Snoozed: nothing changes, so that the episode is judged again when the snooze ends.
    """
    if policy.snooze_until is not None and now < policy.snooze_until:
        return Verdict(stage, rule=f"snoozed until {policy.snooze_until.isoformat()}")
    if level >= policy.clear_point:
        rule = f"level {level} >= clear point {policy.clear_point}"
        return Verdict(Stage.OK, () if stage is Stage.OK else (EventType.STOCK_RECOVERED,), rule=rule)
    if level > policy.reorder_point:
        return Verdict(stage, rule=f"level {level} between reorder and clear point: as before")
    rule = f"level {level} <= reorder point {policy.reorder_point}"
    alerts = [EventType.STOCK_LOW] if stage is Stage.OK else []
    if level <= 0 and stage is not Stage.OUT:
        alerts.append(EventType.STOCK_OUT)
    order = None
    if stage is Stage.OK and not has_open_reorder:
        order = order_quantity(level, policy, on_order) or None
    worst = Stage.OUT if level <= 0 or stage is Stage.OUT else Stage.LOW
    return Verdict(worst, tuple(alerts), order, rule)


def order_quantity(level: int, policy: Policy, on_order: int) -> int:
    """Units up to the target, minus what is on order, rounded up to whole packs; 0 where nothing is missing."""
    missing = policy.target_level - max(level, 0) - on_order
    return max(0, math.ceil(missing / policy.pack_size)) * policy.pack_size
