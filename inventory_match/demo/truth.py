"""Compares what the system wrote with what the script says, each thing exactly once, and puts it into one summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

if TYPE_CHECKING:
    from inventory_match.bootstrap import App
    from inventory_match.demo.day import Day
    from inventory_match.webhooks.receiver import Received

Name = str | tuple[str, str]
"""A sku, or a (location, sku)."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What `.demo/summary.json` holds. A count is the level of one product at one location, or its sum over the store."""

    photos_uploaded: int
    photos_done: int
    photos_rejected: int
    seconds: float
    photos_per_second: float
    counts_right: int
    counts_all: int
    reorders_expected: int
    reorders_opened: int
    webhooks_expected: int
    webhooks_received: int
    webhooks_verified: int
    webhooks_duplicated: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """The figures, and one sentence for everything that differs from the script."""

    summary: Summary
    complaints: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, float]:
        return asdict(self.summary)


def judge(app: App, day: Day, received: Sequence[Received], seconds: float) -> Judgement:
    """`seconds`: from the first upload to the last photo at rest and the last webhook delivered."""
    complaints: list[str] = []
    states, places, levels, reorders = _written(app)
    expected_states = Counter("rejected" if shot.broken else "done" for shot in day.shots)
    complaints += _differences("photos", expected_states, states)
    wanted: dict[Name, int] = {
        name: units for truth in (day.expected_at, day.expected_levels) for name, units in truth.items()
    }
    have = {**places, **levels}
    complaints += _differences("level", wanted, have)
    complaints += _differences("reorder", day.expected_reorders, reorders)
    told = Counter((one.type, str(one.payload["data"].get("sku"))) for one in received if one.verified)
    complaints += _differences("webhook", Counter(day.expected_webhooks), told)
    ids = Counter(one.message_id for one in received)
    complaints += [
        f"{one.type} {one.message_id} was not verified: {one.complaint}" for one in received if not one.verified
    ]
    summary = Summary(
        photos_uploaded=len(day.shots),
        photos_done=states["done"],
        photos_rejected=states["rejected"],
        seconds=round(seconds, 2),
        photos_per_second=round(len(day.shots) / seconds, 2),
        counts_right=sum(have.get(key) == units for key, units in wanted.items()),
        counts_all=len(wanted),
        reorders_expected=len(day.expected_reorders),
        reorders_opened=len(reorders),
        webhooks_expected=len(day.expected_webhooks),
        webhooks_received=len(received),
        webhooks_verified=sum(one.verified for one in received),
        webhooks_duplicated=sum(times - 1 for times in ids.values()),
    )
    return Judgement(summary, complaints)


def _written(app: App) -> tuple[Counter[str], dict[Name, int], dict[Name, int], Counter[str]]:
    with app.unit_of_work() as session:
        states = Counter(session.execute(text("select state from inventory_match.photo")).scalars())
        rows = session.execute(text("select location, sku, units from inventory_match.stock_level"))
        places: dict[Name, int] = {(row.location, row.sku): row.units for row in rows}
        rows = session.execute(text("select sku, level from inventory_match.stock_on_hand"))
        levels: dict[Name, int] = {row.sku: row.level for row in rows}
        rows = session.execute(text("select sku, units from inventory_match.reorder"))
        reorders: Counter[str] = Counter()
        for row in rows:
            reorders[row.sku] += row.units
    return states, places, levels, reorders


def _differences(what: str, expected: Mapping[Any, int], found: Mapping[Any, int]) -> list[str]:
    names = sorted(expected.keys() | found.keys(), key=str)
    return [
        f"{what} {name}: {found.get(name, 0)} instead of {expected.get(name, 0)}"
        for name in names
        if expected.get(name, 0) != found.get(name, 0)
    ]
