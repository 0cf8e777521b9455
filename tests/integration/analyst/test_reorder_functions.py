"""A reorder moved by plain SQL keeps to the state machine of the domain, books what arrived, and tells of its end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from psycopg import errors
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from inventory_match.domain.reorder import REORDER_MOVES, ReorderState

from .conftest import Ask, Put

pytestmark = pytest.mark.usefixtures("shop")

MOVES = {
    ReorderState.PLACED: "place_reorder(:id)",
    ReorderState.PARTLY_RECEIVED: "receive_reorder(:id, 1)",
    ReorderState.RECEIVED: "receive_reorder(:id, 99)",
    ReorderState.CANCELLED: "cancel_reorder(:id, 'no need')",
}


def move(session: Session, call: str, **values: Any) -> str:
    return str(session.execute(text(f"select inventory_match.{call}"), values).scalar_one())


def reorder(put: Put, state: str = "opened", **more: Any) -> int:
    return int(put("reorder", store="s1", sku="tea", state=state, **more).id)


def refused(session: Session, call: str, **values: Any) -> errors.Error:
    with pytest.raises(DBAPIError) as raised, session.begin_nested():
        move(session, call, **values)
    assert isinstance(raised.value.orig, errors.Error)
    return raised.value.orig


@pytest.mark.parametrize("before", ReorderState)
@pytest.mark.parametrize("after", MOVES)
def test_moves_are_those_of_the_domain(
    put: Put, ask: Ask, session: Session, before: ReorderState, after: ReorderState
) -> None:
    made = reorder(put, before)
    if after in REORDER_MOVES[before]:
        assert move(session, MOVES[after], id=made) == after
    else:
        error = refused(session, MOVES[after], id=made)
        assert isinstance(error, errors.ObjectNotInPrerequisiteState)
        assert f"reorder {made} is {before}" in str(error)
    wanted = after if after in REORDER_MOVES[before] else before
    assert ask("select state from reorder where id = :id", id=made) == [{"state": wanted}]


def test_placing_takes_other_units_and_expects_them_after_the_lead_time(put: Put, ask: Ask, session: Session) -> None:
    made = reorder(put)
    move(session, "place_reorder(:id, 24)", id=made)
    [row] = ask("select units, expected_at - placed_at as lead, on_order from open_reorders")
    assert row == {"units": 24, "lead": timedelta(days=3), "on_order": 24}


def test_without_a_lead_time_nothing_is_overdue(put: Put, ask: Ask, session: Session) -> None:
    for lead in ({}, {"lead_time_days": 0}):
        made = reorder(put, policy=lead)
        move(session, "place_reorder(:id)", id=made)
        assert ask("select expected_at, overdue from open_reorders") == [{"expected_at": None, "overdue": False}]
        move(session, "cancel_reorder(:id)", id=made)


def test_receiving_books_each_arrival_and_ends_when_all_is_there(put: Put, ask: Ask, session: Session) -> None:
    put("webhook_endpoint", url="https://a")
    made = reorder(put, "placed")
    assert move(session, "receive_reorder(:id, 5, 'back')", id=made) == "partly_received"
    assert ask("select type from message") == []
    assert move(session, "receive_reorder(:id, 7)", id=made) == "received"
    booked = ask("select kind, units, location, note from stock_history order by id")
    arrived = {"kind": "received", "note": f"reorder {made}"}
    assert booked == [arrived | {"units": 5, "location": "back"}, arrived | {"units": 7, "location": None}]
    assert ask("select dirty from stock_watch where sku = 'tea'") == [{"dirty": True}]
    [row] = ask("select received_units, closed_at is not null as closed from reorder")
    assert row == {"received_units": 12, "closed": True}
    [message] = ask("select type, store, sku, data from message join delivery on delivery.message_id = message.id")
    assert (message["type"], message["store"], message["sku"]) == ("reorder.closed", "s1", "tea")
    told = message["data"]["reorder"]
    assert (told["id"], told["state"], told["units"], told["received_units"]) == (made, "received", 12, 12)


def test_more_than_ordered_is_booked_as_it_came(put: Put, ask: Ask, session: Session) -> None:
    made = reorder(put, "placed")
    assert move(session, "receive_reorder(:id, 20)", id=made) == "received"
    assert ask("select received_units from reorder") == [{"received_units": 20}]


def test_the_same_receipt_is_booked_once_even_after_the_end(put: Put, ask: Ask, session: Session) -> None:
    made = reorder(put, "placed")
    for _ in range(2):
        assert move(session, "receive_reorder(:id, 5, null, 'DN-1')", id=made) == "partly_received"
    for _ in range(2):
        assert move(session, "receive_reorder(:id, 7, null, 'DN-2')", id=made) == "received"
    assert ask("select count(*) as n, sum(units) as units from stock_event") == [{"n": 2, "units": 12}]
    assert ask("select count(*) as n from message") == [{"n": 1}]


def test_cancelling_keeps_what_arrived_and_tells_why(put: Put, ask: Ask, session: Session) -> None:
    made = reorder(put, "placed")
    move(session, "receive_reorder(:id, 5)", id=made)
    move(session, "cancel_reorder(:id, 'supplier closed')", id=made)
    assert ask("select sum(units) as units from stock_event") == [{"units": 5}]
    [row] = ask("select data, evidence, closed_at from message, reorder")
    assert (row["data"]["note"], row["data"]["reorder"]["state"]) == ("supplier closed", "cancelled")
    assert row["evidence"]["cancelled"]["note"] == "supplier closed"
    assert row["closed_at"] is not None


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        ("place_reorder(-1)", errors.NoDataFound, "reorder -1 does not exist"),
        ("place_reorder(:id, 0)", errors.CheckViolation, "units 0"),
        ("receive_reorder(-1, 5)", errors.NoDataFound, "reorder -1 does not exist"),
        ("cancel_reorder(null)", errors.NoDataFound, "does not exist"),
    ],
)
def test_what_makes_no_sense_is_refused(
    put: Put, session: Session, call: str, kind: type[errors.Error], says: str
) -> None:
    error = refused(session, call, id=reorder(put))
    assert isinstance(error, kind)
    assert says in str(error)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("receive_reorder(:id, 0)", "above 0"),
        ("receive_reorder(:id, null)", "above 0"),
        ("receive_reorder(:id, 5, 'moon')", "location moon does not exist"),
    ],
)
def test_an_arrival_that_makes_no_sense_is_refused(put: Put, ask: Ask, session: Session, call: str, says: str) -> None:
    assert says in str(refused(session, call, id=reorder(put, "placed")))
    assert ask("select * from stock_event") == []
