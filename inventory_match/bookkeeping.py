"""What people tell the ledger: a count by hand, a movement, goods received on a reorder; judged in the same transaction.

Photos take the other way into the ledger, `shelf`. A naive time is the store's local time, because that is what stands on a
clerk's list.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from inventory_match import alerting
from inventory_match.alerting import Raised
from inventory_match.db import ledger, reorders
from inventory_match.db.ledger import Counted
from inventory_match.db.refusals import plain_refusals
from inventory_match.domain.errors import InvalidInput
from inventory_match.domain.ledger import Effect, Kind, Level, Observed, apply_person_count
from inventory_match.domain.photos import CLOCK_TOLERANCE


@dataclass(frozen=True, slots=True)
class Entry:
    """What every entry by hand carries: when (None: now), its idempotency key, who, and why."""

    key: str
    by: str
    at: datetime | None = None
    note: str | None = None


def count(
    session: Session, store: str, location: str, sku: str, units: int, entry: Entry, now: datetime
) -> tuple[Effect | None, Raised]:
    """A person's count of one product at one location; the effect is None where the key was told before.

    People count units, not facings: each unit is written as a facing of depth 1. Raises NotFound, InvalidInput.
    """
    if units < 0:
        raise InvalidInput(f"{units} units cannot be counted", key="units", cure="give 0 or more")
    at = _moment(session, store, entry, now)
    ledger.refuse_unknown_product(session, sku)
    ledger.lock_location(session, store, location)
    level = ledger.levels(session, store, location).get(sku, Level())
    observed = Observed(units, 1, at)
    after, effect = apply_person_count(level, observed)
    key = f"person:{entry.key}"
    counted = Counted(key, Kind.COUNTED_PERSON, store, location, sku, observed, entry.by, note=entry.note)
    if not ledger.append_count(session, counted, effect, after):
        return None, Raised()
    return effect, alerting.judge_products(session, store, [sku], now)


def move(
    session: Session, store: str, location: str | None, sku: str, kind: Kind, units: int, entry: Entry, now: datetime
) -> tuple[int, Raised]:
    """Received, sold (positive units) or adjusted (signed); returns the ledger row's id. Raises NotFound, InvalidInput."""
    at = _moment(session, store, entry, now)
    note = ", ".join(filter(None, [entry.note, f"by {entry.by}"]))
    with plain_refusals():
        row = ledger.record_movement(
            session, store, sku, kind, units, location=location, at=at, key=entry.key, note=note
        )
    return row, alerting.judge_products(session, store, [sku], now)


def receive_reorder(
    session: Session, reorder_id: int, units: int, location: str | None, receipt: str | None, now: datetime
) -> tuple[str, Raised]:
    """Goods that arrived on a placed reorder; returns its state. Raises NotFound, Conflict, InvalidInput."""
    reorder = reorders.get(session, reorder_id)
    state = reorders.receive(session, reorder_id, units, location, receipt)
    return state, alerting.judge_products(session, reorder.store, [reorder.sku], now)


def _moment(session: Session, store: str, entry: Entry, now: datetime) -> datetime:
    zone = ledger.store_zone(session, store)
    if entry.at is None:
        return now
    at = entry.at if entry.at.tzinfo else entry.at.replace(tzinfo=ZoneInfo(zone))
    if at - now > CLOCK_TOLERANCE:
        raise InvalidInput(f"{at.isoformat()} lies in the future", key="at", cure=f"times without a zone are {zone}")
    return at
