"""The outbox: messages written in the transaction of what they tell of, and the deliveries due to be posted.

`emit` and the hourly ceiling live in SQL (`inventory_match.emit_message`), because reorders closed by plain SQL speak
through the same door. A claim pushes the delivery's next attempt into the future before the POST: a sender that dies after
it leaves the delivery to be sent again, under the same id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import Session

from inventory_match.domain.errors import NotFound
from inventory_match.domain.events import EventType, with_digest

from .models import Delivery, DeliveryAttempt, Message, WebhookEndpoint, WebhookSecret


@dataclass(frozen=True, slots=True)
class Due:
    """One POST to make. `attempt` counts from 1; `body` is the same bytes at every attempt; `photo_id` is the photo whose
    alert it is, None where no photo is behind it."""

    delivery_id: int
    endpoint_id: int
    attempt: int
    message_id: str
    type: str
    photo_id: int | None
    url: str
    body: bytes
    secrets: tuple[str, ...] = field(repr=False)


def emit(
    session: Session,
    kind: EventType,
    data: Mapping[str, Any],
    at: datetime,
    *,
    store: str | None = None,
    sku: str | None = None,
) -> str:
    """Writes a message and its deliveries; returns the id that stays the same for every attempt and resend."""
    statement = text("select inventory_match.emit_message(:type, :store, :sku, cast(:data as jsonb), :at)")
    values = {"type": kind, "store": store, "sku": sku, "data": json.dumps(data), "at": at}
    return str(session.execute(statement, values).scalar_one())


def flush_digests(session: Session, now: datetime) -> int:
    """One digest per store and finished hour for what the ceiling held back; returns how many."""
    return int(session.execute(text("select inventory_match.flush_digests(:now)"), {"now": now}).scalar_one())


def claim_due(session: Session, lease: timedelta, limit: int) -> list[Due]:
    """Deliveries whose time has come, each counted as an attempt and out of others' reach for `lease`."""
    # A message written while its receiver was being disabled did not see that yet.
    enabled = select(WebhookEndpoint.id).where(WebhookEndpoint.disabled_at.is_(None))
    due = (
        select(Delivery.id)
        .where(Delivery.state == "pending", Delivery.next_attempt_at <= func.now(), Delivery.endpoint_id.in_(enabled))
        .order_by(Delivery.next_attempt_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte()  # as a subquery it may run again for every row, and take more than its limit
    )
    claimed = session.scalars(
        update(Delivery)
        .where(Delivery.id == due.c.id)
        .values(attempts=Delivery.attempts + 1, next_attempt_at=func.now() + lease)
        .returning(Delivery)
    ).all()
    return [_due(session, delivery) for delivery in sorted(claimed, key=lambda row: row.id)]


def _due(session: Session, delivery: Delivery) -> Due:
    message = session.get_one(Message, delivery.message_id)
    endpoint = session.get_one(WebhookEndpoint, delivery.endpoint_id)
    body = {"type": message.type, "timestamp": message.occurred_at.isoformat(), "data": message.data}
    encoded = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    secrets = live_secrets(session, endpoint.id)
    about = message.id, message.type, _photo_of(message.data)
    return Due(delivery.id, endpoint.id, delivery.attempts, *about, endpoint.url, encoded, secrets)


def _photo_of(data: Mapping[str, Any]) -> int | None:
    evidence = data.get("evidence") or {}
    found = data.get("photo_id") or (evidence.get("photo") or {}).get("id")
    return found if isinstance(found, int) else None


def live_secrets(session: Session, endpoint_id: int) -> tuple[str, ...]:
    """Newest first; while one is rotated out, both."""
    statement = (
        select(WebhookSecret.secret)
        .where(
            WebhookSecret.endpoint_id == endpoint_id,
            WebhookSecret.expires_at.is_(None) | (WebhookSecret.expires_at > func.now()),
        )
        .order_by(WebhookSecret.id.desc())
    )
    return tuple(session.scalars(statement))


def record_attempt(
    session: Session, due: Due, *, status: int | None, error: str | None, duration_ms: int, wait: timedelta | None
) -> None:
    """Logs a POST. Delivered on 2xx; otherwise another attempt after `wait`, or failed where `wait` is None."""
    attempt = DeliveryAttempt(delivery_id=due.delivery_id, status=status, error=error, duration_ms=duration_ms)
    session.add(attempt)
    values: dict[str, Any]
    if status is not None and 200 <= status < 300:
        values = {"state": "delivered", "delivered_at": func.now()}
    elif wait is None:
        values = {"state": "failed"}
    else:
        values = {"next_attempt_at": func.now() + wait}
    # A late answer of an attempt whose lease ran out must not undo what a later one found.
    mine = (Delivery.id == due.delivery_id) & (Delivery.state == "pending")
    if values.get("state") != "delivered":
        mine &= Delivery.attempts == due.attempt
    session.execute(update(Delivery).where(mine).values(values))


def add_endpoint(session: Session, url: str, secret: str, event_types: Sequence[EventType]) -> int:
    """A new receiver, or a disabled one enabled again with a new secret; returns its id."""
    endpoint = session.scalars(select(WebhookEndpoint).where(WebhookEndpoint.url == url)).one_or_none()
    if endpoint is None:
        endpoint = WebhookEndpoint(url=url)
        session.add(endpoint)
    endpoint.event_types = [str(kind) for kind in with_digest(event_types)]
    endpoint.disabled_at = endpoint.disabled_cause = None
    session.flush()
    session.execute(delete(WebhookSecret).where(WebhookSecret.endpoint_id == endpoint.id))
    session.add(WebhookSecret(endpoint_id=endpoint.id, secret=secret))
    return endpoint.id


def endpoints(session: Session) -> Sequence[WebhookEndpoint]:
    return session.scalars(select(WebhookEndpoint).order_by(WebhookEndpoint.id)).all()


def rotate_secret(session: Session, endpoint_id: int, secret: str, overlap: timedelta) -> None:
    """A new secret signs from now on; the old ones sign beside it until `overlap` is over."""
    _known(session, endpoint_id)
    session.execute(
        update(WebhookSecret)
        .where(WebhookSecret.endpoint_id == endpoint_id, WebhookSecret.expires_at.is_(None))
        .values(expires_at=func.now() + overlap)
    )
    session.add(WebhookSecret(endpoint_id=endpoint_id, secret=secret))


def disable_endpoint(session: Session, endpoint_id: int, cause: str) -> None:
    """Nothing more goes to this receiver; what waits for it is cancelled and can be resent."""
    endpoint = _known(session, endpoint_id)
    endpoint.disabled_at, endpoint.disabled_cause = func.now(), cause
    waiting = (Delivery.endpoint_id == endpoint_id) & (Delivery.state == "pending")
    session.execute(update(Delivery).where(waiting).values(state="cancelled"))


def resend(session: Session, message_id: str, endpoint_id: int | None = None) -> int:
    """Sends a message again, under its own id, to the enabled endpoints it went to (or to one); returns to how many."""
    if session.get(Message, message_id) is None:
        raise NotFound(f"message {message_id!r} does not exist; `inventory-match webhooks deliveries` lists them")
    enabled = select(WebhookEndpoint.id).where(WebhookEndpoint.disabled_at.is_(None))
    where = (Delivery.message_id == message_id) & Delivery.endpoint_id.in_(enabled)
    if endpoint_id is not None:
        where &= Delivery.endpoint_id == endpoint_id
    fresh = {"state": "pending", "attempts": 0, "next_attempt_at": func.now(), "delivered_at": None}
    return len(session.scalars(update(Delivery).where(where).values(fresh).returning(Delivery.id)).all())


def _known(session: Session, endpoint_id: int) -> WebhookEndpoint:
    endpoint = session.get(WebhookEndpoint, endpoint_id)
    if endpoint is None:
        raise NotFound(f"webhook endpoint {endpoint_id} does not exist; `inventory-match webhooks list` shows them")
    return endpoint
