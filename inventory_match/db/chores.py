"""When each chore last ran, and its figures: what metrics and `doctor --live` judge, and what `photo_log` words itself by."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from .models import Chore


def ran(session: Session, chore: str, **figures: int) -> None:
    """Notes that a chore ran just now, with these figures in place of the last run's."""
    row = insert(Chore).values(chore=chore, figures=figures)
    again = {"ran_at": func.now(), "figures": row.excluded.figures}
    session.execute(row.on_conflict_do_update(index_elements=["chore"], set_=again))


def add_up(session: Session, chore: str, **more: int) -> None:
    """Notes that a chore ran just now, and adds to the sums of all its runs."""
    session.execute(insert(Chore).values(chore=chore).on_conflict_do_nothing())
    row = session.scalars(select(Chore).where(Chore.chore == chore).with_for_update()).one()
    row.ran_at = func.now()
    row.figures = row.figures | {name: row.figures.get(name, 0) + number for name, number in more.items()}
    session.flush()
