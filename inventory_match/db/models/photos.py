"""Photos from the first word of them to what was seen in them, and the queue messages nobody could read."""

from __future__ import annotations

from typing import Any

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import CheckConstraint, Float, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from inventory_match.domain.photos import PhotoState

from .base import Base, BigId, Json, Moment, Now

_STATES = ", ".join(f"'{state}'" for state in PhotoState)


class Photo(Base):
    """One version of one S3 object. `attempts` is counted before the bytes are touched.

    While it is `processing`, `next_attempt_at` is the end of the lease, and both fence a late worker out.
    """

    __tablename__ = "photo"
    id: Mapped[BigId]
    bucket: Mapped[str]
    key: Mapped[str]
    version: Mapped[str]
    version_id: Mapped[str | None]
    etag: Mapped[str]
    sequencer: Mapped[str | None]
    size: Mapped[int | None]
    source: Mapped[str]
    event_time: Mapped[Moment]
    captured_at: Mapped[Moment]
    captured_source: Mapped[str]
    clock_ahead: Mapped[bool] = mapped_column(server_default=text("false"))
    camera: Mapped[str | None]
    store: Mapped[str | None]
    location: Mapped[str | None]
    state: Mapped[str]
    cause: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    registered_at: Mapped[Now]
    next_attempt_at: Mapped[Now]
    kicked_at: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    quality: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    encoder_id: Mapped[int | None]
    expired_at: Mapped[Moment | None]
    __table_args__ = (
        UniqueConstraint("bucket", "key", "version"),
        CheckConstraint(f"state in ({_STATES})", name="state"),
        Index("ix_photo_waiting", "next_attempt_at", postgresql_where=text("state in ('registered', 'processing')")),
        Index("ix_photo_camera_captured_at", "camera", "captured_at"),
        Index("ix_photo_state", "state"),
    )


class ObjectRemoval(Base):
    """A delete that S3 told of: recorded, no photo."""

    __tablename__ = "object_removal"
    id: Mapped[BigId]
    bucket: Mapped[str]
    key: Mapped[str]
    version: Mapped[str]
    sequencer: Mapped[str | None]
    event_time: Mapped[Moment]
    recorded_at: Mapped[Now]
    __table_args__ = (UniqueConstraint("bucket", "key", "version", "event_time"),)


class RejectedMessage(Base):
    """A queue message, or a part of one, that could not be read: kept with its cause, then deleted from the queue."""

    __tablename__ = "rejected_message"
    id: Mapped[BigId]
    message_id: Mapped[str]
    body: Mapped[str]
    cause: Mapped[str]
    received_at: Mapped[Now]
    __table_args__ = (UniqueConstraint("message_id", "cause"),)


class Sighting(Base):
    """One region of one photo: what it was found to be, with everything an auditor needs to replay the decision."""

    __tablename__ = "sighting"
    id: Mapped[BigId]
    photo_id: Mapped[int] = mapped_column(ForeignKey(Photo.id, ondelete="CASCADE"))
    position: Mapped[int]
    x0: Mapped[float] = mapped_column(Float)
    y0: Mapped[float] = mapped_column(Float)
    x1: Mapped[float] = mapped_column(Float)
    y1: Mapped[float] = mapped_column(Float)
    answer: Mapped[str]
    outcome: Mapped[str | None]
    sku: Mapped[str | None] = mapped_column(index=True)
    similarity: Mapped[float | None] = mapped_column(Float)
    margin: Mapped[float | None] = mapped_column(Float)
    rule: Mapped[str]
    candidates: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    thresholds: Mapped[Json | None]
    prior: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    printed: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    sibling: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    encoder_id: Mapped[int | None] = mapped_column(ForeignKey("inventory_match.encoder.id"))
    embedding: Mapped[Any | None] = mapped_column(HALFVEC())
    __table_args__ = (
        UniqueConstraint("photo_id", "position"),
        CheckConstraint("answer in ('product', 'unknown', 'void', 'not_assessable')", name="answer"),
        CheckConstraint("outcome is null or outcome in ('matched', 'ambiguous', 'unknown')", name="outcome"),
        CheckConstraint("(answer = 'product') = (sku is not null)", name="product_has_sku"),
        Index("ix_sighting_unknown", "photo_id", postgresql_where=text("answer = 'unknown'")),
    )


class ShelfFacing(Base):
    """One facing of a settled shelf photo: which row of its location (1 at the top), which place in it (1 at the left)."""

    __tablename__ = "shelf_facing"
    photo_id: Mapped[int] = mapped_column(ForeignKey(Photo.id, ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    store: Mapped[str]
    location: Mapped[str]
    camera: Mapped[str]
    shelf_row: Mapped[int]
    place_in_row: Mapped[int]
    x0: Mapped[float] = mapped_column(Float)
    y0: Mapped[float] = mapped_column(Float)
    x1: Mapped[float] = mapped_column(Float)
    y1: Mapped[float] = mapped_column(Float)
    answer: Mapped[str]
    sku: Mapped[str | None]
    similarity: Mapped[float | None] = mapped_column(Float)
    captured_at: Mapped[Moment]
    __table_args__ = (
        CheckConstraint("answer in ('product', 'unknown', 'void', 'not_assessable')", name="answer"),
        CheckConstraint("(answer = 'product') = (sku is not null)", name="product_has_sku"),
        CheckConstraint("shelf_row >= 1 and place_in_row >= 1", name="counted_from_one"),
        Index(
            "ix_shelf_facing_assessed",
            "camera",
            "shelf_row",
            "captured_at",
            "photo_id",
            postgresql_where=text("answer <> 'not_assessable'"),
        ),
        Index(
            "ix_shelf_facing_usual", "camera", "position", "captured_at", postgresql_where=text("answer = 'product'")
        ),
    )
