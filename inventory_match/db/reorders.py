"""A reorder's moves. They are functions in SQL, so that analysts and other systems move reorders by the same rules."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from inventory_match.domain.errors import NotFound

from .models import Reorder
from .refusals import plain_refusals


def get(session: Session, reorder_id: int) -> Reorder:
    found = session.get(Reorder, reorder_id)
    if found is None:
        raise NotFound(f"reorder {reorder_id} does not exist; `inventory-match reorder list` shows those that are open")
    return found


def place(session: Session, reorder_id: int, units: int | None) -> str:
    """Opened to placed, with other units than proposed if given. Raises NotFound, Conflict or InvalidInput."""
    return _move(session, "place_reorder(:id, :units)", id=reorder_id, units=units)


def receive(session: Session, reorder_id: int, units: int, location: str | None, receipt: str | None) -> str:
    """Books what arrived; the same receipt twice is booked once. Raises NotFound, Conflict or InvalidInput."""
    call = "receive_reorder(:id, :units, :location, :receipt)"
    return _move(session, call, id=reorder_id, units=units, location=location, receipt=receipt)


def cancel(session: Session, reorder_id: int, note: str | None) -> str:
    """Ends an open reorder. Raises NotFound or Conflict."""
    return _move(session, "cancel_reorder(:id, :note)", id=reorder_id, note=note)


def _move(session: Session, call: str, **values: object) -> str:
    with plain_refusals():
        return str(session.execute(text(f"select inventory_match.{call}"), values).scalar_one())
