"""What is watched per product and store: the policy, the level as the views tell it, the stage, the open reorder."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from inventory_match.domain.reorder import Policy, ReorderState, Stage

from .models import Reorder, StockWatch

_OPEN = text("state in ('opened', 'placed', 'partly_received')")
"""The predicate of `uq_reorder_open`, word for word: Postgres must be able to see that it is the same."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One product in one store, locked for judging. `level` and its source are what `stock_on_hand` shows; None is not
    known yet, which is not the same as none left."""

    store: str
    sku: str
    name: str | None
    level: int | None
    level_source: str
    stage: Stage
    policy: Policy | None
    settings: dict[str, Any]
    on_order: int
    open_reorder: int | None
    dirty: bool


def policy_of(settings: Mapping[str, Any]) -> Policy | None:
    """The policy a merged set of rules amounts to; None where it does not say when to reorder."""
    if not {"reorder_point", "clear_point", "target_level"} <= settings.keys():
        return None
    known = {key: value for key, value in settings.items() if key in Policy.__dataclass_fields__}
    if isinstance(until := known.get("snooze_until"), str):
        known["snooze_until"] = datetime.fromisoformat(until)
    return Policy(**known)


def policies(session: Session, store: str, skus: Collection[str]) -> dict[str, dict[str, Any]]:
    """The merged rules of each product in a store, as a mapping of settings."""
    statement = text(
        "select sku, inventory_match.effective_policy(:store, sku) as settings from unnest(cast(:skus as text[])) sku"
    )
    return {row.sku: row.settings for row in session.execute(statement, {"store": store, "skus": sorted(skus)})}


def lock(session: Session, store: str, skus: Collection[str]) -> list[Watched]:
    """Locks the watches of these products, always in order of sku, and reads what they are judged by."""
    ordered = sorted(skus)
    if not ordered:
        return []
    rows = [{"store": store, "sku": sku} for sku in ordered]
    session.execute(insert(StockWatch).values(rows).on_conflict_do_nothing())
    locking = select(StockWatch.sku, StockWatch.dirty).where(StockWatch.store == store, StockWatch.sku.in_(ordered))
    locked = session.execute(locking.order_by(StockWatch.sku).with_for_update())
    dirty = {row.sku for row in locked if row.dirty}
    # A statement of its own: it sees what others committed while we waited for the locks.
    found = session.execute(
        text(
            # What is retired is not ordered again: its rules end, whatever the till still sells of it.
            "select h.sku, h.name, h.level, h.level_source, h.stage, r.id as reorder_id,"
            " case when p.retired_at is null then h.policy else '{}' end as policy,"
            " coalesce(case when r.state <> 'opened' then greatest(r.units - r.received_units, 0) end, 0) as on_order"
            " from inventory_match.stock_on_hand h"
            " left join inventory_match.product p on p.sku = h.sku"
            " left join inventory_match.reorder r"
            "   on r.store = h.store and r.sku = h.sku and r.state in ('opened', 'placed', 'partly_received')"
            " where h.store = :store and h.sku = any(cast(:skus as text[])) order by h.sku"
        ),
        {"store": store, "skus": ordered},
    )
    return [
        Watched(
            store,
            row.sku,
            row.name,
            row.level,
            row.level_source,
            Stage(row.stage),
            policy_of(row.policy),
            row.policy,
            row.on_order,
            row.reorder_id,
            row.sku in dirty,
        )
        for row in found
    ]


def save_stage(session: Session, watched: Watched, stage: Stage, now: datetime) -> None:
    """Remembers the stage; whatever made the watch dirty has now been judged."""
    if stage is watched.stage and not watched.dirty:
        return
    values: dict[str, Any] = {"dirty": False}
    if stage is not watched.stage:
        values |= {"stage": stage, "stage_since": now}
    where = (StockWatch.store == watched.store) & (StockWatch.sku == watched.sku)
    session.execute(update(StockWatch).where(where).values(values))


def open_reorder(
    session: Session, watched: Watched, level: int, units: int, evidence: Mapping[str, Any], now: datetime
) -> int | None:
    """The id of the new reorder; None where one is open already, which the database guarantees."""
    lead_days = watched.policy.lead_time_days if watched.policy else 0
    row = {
        "store": watched.store,
        "sku": watched.sku,
        "state": ReorderState.OPENED,
        "units": units,
        "level": level,
        "policy": watched.settings,
        "evidence": dict(evidence),
        "opened_at": now,
        "expected_at": now + timedelta(days=lead_days) if lead_days else None,
    }
    statement = insert(Reorder).values(row).on_conflict_do_nothing(index_elements=["store", "sku"], index_where=_OPEN)
    return session.execute(statement.returning(Reorder.id)).scalar()


def needing_judgement(session: Session, now: datetime, limit: int) -> list[tuple[str, str]]:
    """(store, sku) whose books moved by SQL, or whose snooze ended while the level asked for another stage."""
    rows = session.execute(
        text(
            "select w.store, w.sku from inventory_match.stock_watch w where w.dirty"
            " union select h.store, h.sku from inventory_match.stock_on_hand h"
            " left join inventory_match.product p on p.sku = h.sku"
            # The first condition is asked once: without any snooze no policy has to be merged.
            "   where exists (select from inventory_match.policy_rule r where r.settings ? 'snooze_until')"
            "   and p.retired_at is null and (h.policy ->> 'snooze_until')::timestamptz <= :now and case h.stage"
            "     when 'ok' then h.level <= (h.policy ->> 'reorder_point')::bigint"
            "     else h.level >= (h.policy ->> 'clear_point')::bigint or (h.stage = 'low' and h.level <= 0) end"
            " order by 1, 2 limit :limit"
        ),
        {"now": now, "limit": limit},
    )
    return [(row.store, row.sku) for row in rows]


def mark_dirty(session: Session, store: str | None = None) -> None:
    """After a policy change everything it may touch is judged again."""
    statement = update(StockWatch).values(dirty=True)
    session.execute(statement if store is None else statement.where(StockWatch.store == store))


def substitutes(session: Session, store: str, sku: str, k: int = 5) -> list[dict[str, Any]]:
    """Up to k similar products in stock in the store, nearest first."""
    statement = text("select sku, name, similarity, level from inventory_match.similar_products(:sku, :k, :store)")
    rows = session.execute(statement, {"sku": sku, "k": k, "store": store})
    return [{"sku": r.sku, "name": r.name, "similarity": round(r.similarity, 4), "level": r.level} for r in rows]
