"""The figures of a running system that stand in Postgres, asked for in one statement: what waits, how long, how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

STATEMENT_MS = 5000
"""A scrape must not burden a database that is in trouble already."""
_ALL = text("""
    select (select jsonb_object_agg(state, number)
            from (select state, count(*) as number from inventory_match.photo group by state) s) as photos,
           (select extract(epoch from now() - min(registered_at))::float8 from inventory_match.photo
            where state in ('registered', 'processing')) as photo_waiting,
           (select extract(epoch from now() - min(next_attempt_at))::float8 from inventory_match.photo
            where state in ('registered', 'processing')) as photo_overdue,
           (select jsonb_object_agg(state, number)
            from (select state, count(*) as number from inventory_match.delivery group by state) d) as deliveries,
           (select extract(epoch from now() - min(next_attempt_at))::float8 from inventory_match.delivery
            where state = 'pending') as delivery_overdue,
           (select count(*) from inventory_match.rejected_message) as rejected_messages,
           (select count(*) from inventory_match.camera where active and silent_since is not null) as silent_cameras,
           (select jsonb_object_agg(chore, extract(epoch from now() - ran_at)) from inventory_match.chore) as chores,
           (select figures from inventory_match.chore where chore = 'scan') as scanned
""")


@dataclass(frozen=True, slots=True)
class Vitals:
    """Ages in seconds by the database's clock, 0 where nothing waits.

    `photo_waiting`: of the oldest photo that is not at rest. `photo_overdue`, `delivery_overdue`: since when it is somebody's
    turn. `chores`: since each last ran. `scanned`: photos found that no event announced, photos said to be gone and there.
    """

    photos: dict[str, int]
    photo_waiting: float
    photo_overdue: float
    deliveries: dict[str, int]
    delivery_overdue: float
    rejected_messages: int
    silent_cameras: int
    chores: dict[str, float]
    scanned: dict[str, int]


def take(session: Session) -> Vitals:
    """Takes at most `STATEMENT_MS`; longer raises ServiceUnavailable where the unit of work ends."""
    session.execute(text("select set_config('statement_timeout', :ms, true)"), {"ms": str(STATEMENT_MS)})
    row: Any = session.execute(_ALL).one()
    return Vitals(
        photos=row.photos or {},
        photo_waiting=max(0.0, row.photo_waiting or 0.0),
        photo_overdue=max(0.0, row.photo_overdue or 0.0),
        deliveries=row.deliveries or {},
        delivery_overdue=max(0.0, row.delivery_overdue or 0.0),
        rejected_messages=row.rejected_messages,
        silent_cameras=row.silent_cameras,
        chores={name: float(seconds) for name, seconds in (row.chores or {}).items()},
        scanned=row.scanned or {},
    )
