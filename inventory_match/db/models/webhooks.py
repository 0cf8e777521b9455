"""The outbox: messages written with the ledger rows they tell of, who gets them, and every attempt to deliver."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Text

from .base import Base, BigId, Json, Moment, Now


class WebhookEndpoint(Base):
    """A receiver. `event_types` empty means all of them."""

    __tablename__ = "webhook_endpoint"
    id: Mapped[BigId]
    url: Mapped[str] = mapped_column(unique=True)
    event_types: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    created_at: Mapped[Now]
    disabled_at: Mapped[Moment | None]
    disabled_cause: Mapped[str | None]


class WebhookSecret(Base):
    """A signing secret; while one is rotated out both sign. Never readable by `inventory_reader`."""

    __tablename__ = "webhook_secret"
    id: Mapped[BigId]
    endpoint_id: Mapped[int] = mapped_column(ForeignKey(WebhookEndpoint.id, ondelete="CASCADE"), index=True)
    secret: Mapped[str]
    created_at: Mapped[Now]
    expires_at: Mapped[Moment | None]


class Message(Base):
    """One event to tell. `held`: over the store's hourly ceiling, waits for the digest that names it (`digest_id`)."""

    __tablename__ = "message"
    id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    store: Mapped[str | None]
    sku: Mapped[str | None]
    data: Mapped[Json]
    occurred_at: Mapped[Moment]
    created_at: Mapped[Now]
    held: Mapped[bool] = mapped_column(server_default=text("false"))
    digest_id: Mapped[str | None] = mapped_column(ForeignKey("inventory_match.message.id"))
    __table_args__ = (
        Index("ix_message_store_created_at", "store", "created_at"),
        Index("ix_message_digest_id", "digest_id", postgresql_where=text("digest_id is not null")),
        Index("ix_message_held", "store", postgresql_where=text("held and digest_id is null")),
    )


class Delivery(Base):
    """One message to one endpoint. Pending until delivered, failed (schedule used up) or cancelled (endpoint disabled)."""

    __tablename__ = "delivery"
    id: Mapped[BigId]
    message_id: Mapped[str] = mapped_column(ForeignKey(Message.id))
    endpoint_id: Mapped[int] = mapped_column(ForeignKey(WebhookEndpoint.id))
    state: Mapped[str] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[Now]
    delivered_at: Mapped[Moment | None]
    __table_args__ = (
        UniqueConstraint("message_id", "endpoint_id"),
        CheckConstraint("state in ('pending', 'delivered', 'failed', 'cancelled')", name="state"),
        Index("ix_delivery_due", "next_attempt_at", postgresql_where=text("state = 'pending'")),
    )


class DeliveryAttempt(Base):
    """One POST: the status it got or the error that stopped it. Bodies of answers are not kept."""

    __tablename__ = "delivery_attempt"
    id: Mapped[BigId]
    delivery_id: Mapped[int] = mapped_column(ForeignKey(Delivery.id, ondelete="CASCADE"), index=True)
    at: Mapped[Now]
    status: Mapped[int | None]
    error: Mapped[str | None]
    duration_ms: Mapped[int]
