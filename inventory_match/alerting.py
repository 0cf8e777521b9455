"""Levels to reorders and alerts: judges products of a store under their policies, in the transaction that moved them.

Used by `pipeline.settle` after a photo, by the command line after a count or a movement by hand, and by the sweep after a
movement by plain SQL. One order of locks (by sku), one door to the outbox.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from inventory_match.db import outbox, watch
from inventory_match.db.evidence import photo_behind
from inventory_match.db.watch import Watched
from inventory_match.domain.events import EventType
from inventory_match.domain.reorder import Verdict, judge

Evidence = Mapping[str, Any]


@dataclass(slots=True)
class Raised:
    """What judging led to: ids of opened reorders, and (type, sku) of every alert written to the outbox."""

    reorders: list[int] = field(default_factory=list)
    alerts: list[tuple[EventType, str]] = field(default_factory=list)


def judge_products(
    session: Session, store: str, skus: Collection[str], now: datetime, evidence: Mapping[str, Evidence] | None = None
) -> Raised:
    """Judges these products of one store. `evidence` by sku: the photo, boxes and encoder that moved the level."""
    raised = Raised()
    for watched in watch.lock(session, store, skus):
        if watched.policy is None or watched.level is None:
            watch.save_stage(session, watched, watched.stage, now)
            continue
        open_already = watched.open_reorder is not None
        verdict = judge(
            watched.stage,
            watched.level,
            watched.policy,
            on_order=watched.on_order,
            has_open_reorder=open_already,
            now=now,
        )
        watch.save_stage(session, watched, verdict.stage, now)
        if verdict.alerts:
            shown = (evidence or {}).get(watched.sku) or _remembered(session, watched)
            _raise(session, watched, watched.level, verdict, shown, now, raised)
    return raised


def _remembered(session: Session, watched: Watched) -> Evidence:
    """What a camera's level was read from; what the books say stands in the ledger, and no photo shows it."""
    return photo_behind(session, watched.store, watched.sku) if watched.level_source == "camera" else {}


def _raise(
    session: Session, watched: Watched, level: int, verdict: Verdict, evidence: Evidence, now: datetime, raised: Raised
) -> None:
    told = _subject(session, watched, verdict, evidence)
    reorder_id = watched.open_reorder
    if verdict.order_units:
        reorder_id = watch.open_reorder(session, watched, level, verdict.order_units, evidence, now)
        if reorder_id is not None:
            raised.reorders.append(reorder_id)
            opened = {**told, "reorder": {"id": reorder_id, "units": verdict.order_units}}
            _emit(session, EventType.REORDER_OPENED, opened, watched, now, raised)
    for alert in verdict.alerts:
        _emit(session, alert, {**told, "reorder_id": reorder_id}, watched, now, raised)


def _subject(session: Session, watched: Watched, verdict: Verdict, evidence: Evidence) -> dict[str, Any]:
    """What every alert carries: the level, the rule that spoke, the evidence, and what could be sold instead."""
    return {
        "store": watched.store,
        "sku": watched.sku,
        "name": watched.name,
        "level": watched.level,
        "level_source": watched.level_source,
        "rule": verdict.rule,
        "policy": watched.settings,
        "evidence": dict(evidence),
        "substitutes": watch.substitutes(session, watched.store, watched.sku),
    }


def _emit(
    session: Session, kind: EventType, data: dict[str, Any], watched: Watched, now: datetime, raised: Raised
) -> None:
    outbox.emit(session, kind, data, now, store=watched.store, sku=watched.sku)
    raised.alerts.append((kind, watched.sku))
