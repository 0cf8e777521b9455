"""The append-only ledger, the levels read from it, what is watched, and the reorders."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from inventory_match.domain.ledger import Effect, Kind
from inventory_match.domain.reorder import ReorderState, Stage

from .base import Base, BigId, Json, Moment, Now


def _one_of(column: str, values: type[Kind | Effect | ReorderState | Stage]) -> str:
    return f"{column} in ({', '.join(repr(str(value)) for value in values)})"


class StockEvent(Base):
    """One count or movement. The database refuses UPDATE, DELETE and TRUNCATE; corrections are reversing rows.

    No foreign keys: the ledger outlives photos, cameras and products. `units` of a count is what was there; of a movement,
    what came (positive) or went (negative).
    """

    __tablename__ = "stock_event"
    id: Mapped[BigId]
    idempotency_key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    effect: Mapped[str]
    store: Mapped[str]
    location: Mapped[str | None]
    sku: Mapped[str]
    facings: Mapped[int | None]
    depth: Mapped[int | None]
    units: Mapped[int]
    photo_id: Mapped[int | None]
    observed_at: Mapped[Moment]
    recorded_at: Mapped[Now]
    actor: Mapped[str]
    note: Mapped[str | None]
    __table_args__ = (
        CheckConstraint(_one_of("kind", Kind), name="kind"),
        CheckConstraint(_one_of("effect", Effect), name="effect"),
        CheckConstraint("kind not like 'counted%' or (location is not null and units >= 0)", name="count"),
        CheckConstraint("kind <> 'counted_camera' or units = facings * depth", name="units"),
        CheckConstraint("kind <> 'received' or units > 0", name="received"),
        CheckConstraint("kind <> 'sold' or units < 0", name="sold"),
        CheckConstraint("kind like 'counted%' or effect = 'booked'", name="movement"),
        Index("ix_stock_event_store_sku_observed_at", "store", "sku", "observed_at"),
        Index("ix_stock_event_photo_id", "photo_id"),
        # Cameras write most rows by far; these two keep what people and movements say a short read.
        Index("ix_stock_event_book", "store", "sku", "observed_at", postgresql_where=text("effect = 'booked'")),
        Index(
            "ix_stock_event_person",
            "store",
            "sku",
            "location",
            "observed_at",
            postgresql_where=text("kind = 'counted_person'"),
        ),
    )


class StockLevel(Base):
    """What is believed of one product at one location, read from the ledger row by row (domain.ledger.Level).

    `camera`: the shelf camera that watches it, null where only people counted. `event_id`: the ledger row that set it.
    """

    __tablename__ = "stock_level"
    store: Mapped[str] = mapped_column(primary_key=True)
    location: Mapped[str] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(primary_key=True)
    units: Mapped[int | None]
    facings: Mapped[int | None]
    counted_at: Mapped[Moment | None]
    seen_at: Mapped[Moment | None]
    pending_units: Mapped[int | None]
    pending_photos: Mapped[int] = mapped_column(server_default=text("0"))
    camera: Mapped[str | None]
    event_id: Mapped[int | None]
    __table_args__ = (Index("ix_stock_level_store_sku", "store", "sku"),)


class StockWatch(Base):
    """One product in one store: how bad it has been in this episode. `dirty`: a movement by SQL waits to be judged."""

    __tablename__ = "stock_watch"
    store: Mapped[str] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(primary_key=True)
    stage: Mapped[str] = mapped_column(server_default=str(Stage.OK))
    stage_since: Mapped[Moment | None]
    dirty: Mapped[bool] = mapped_column(server_default=text("false"))
    __table_args__ = (
        CheckConstraint(_one_of("stage", Stage), name="stage"),
        Index("ix_stock_watch_dirty", "store", "sku", postgresql_where=text("dirty")),
    )


class Reorder(Base):
    """A wish to order, unique per product and store while it is open; its evidence is kept with it."""

    __tablename__ = "reorder"
    id: Mapped[BigId]
    store: Mapped[str] = mapped_column(ForeignKey("inventory_match.store.store"))
    sku: Mapped[str] = mapped_column(ForeignKey("inventory_match.product.sku"))
    state: Mapped[str]
    units: Mapped[int]
    received_units: Mapped[int] = mapped_column(server_default=text("0"))
    level: Mapped[int]
    policy: Mapped[Json]
    evidence: Mapped[Json]
    opened_at: Mapped[Now]
    placed_at: Mapped[Moment | None]
    expected_at: Mapped[Moment | None]
    closed_at: Mapped[Moment | None]
    __table_args__ = (
        CheckConstraint(_one_of("state", ReorderState), name="state"),
        CheckConstraint("units > 0 and received_units >= 0", name="units"),
        Index(
            "uq_reorder_open",
            "store",
            "sku",
            unique=True,
            postgresql_where=text("state in ('opened', 'placed', 'partly_received')"),
        ),
    )
