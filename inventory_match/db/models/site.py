"""The site as applied: stores, their locations, cameras, assortments and the rules of the stock policy."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import CheckConstraint, Float, ForeignKey, ForeignKeyConstraint, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, Json, Moment, Now


class Store(Base):
    """A shop. `assortment_all` says that every active product is sold here; else `assortment` lists them."""

    __tablename__ = "store"
    store: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    timezone: Mapped[str] = mapped_column(server_default="UTC")
    assortment_all: Mapped[bool] = mapped_column(server_default=text("true"))
    alerts_per_hour: Mapped[int | None]
    keep_photos_days: Mapped[int | None]


class Location(Base):
    """A shelf, a bay, a back room. Levels are kept per location and summed per store."""

    __tablename__ = "location"
    store: Mapped[str] = mapped_column(ForeignKey(Store.store), primary_key=True)
    location: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]


class Camera(Base):
    """What watches a location. `regions`: boxes [x0, y0, x1, y1] in fractions of the image, one facing each; a shelf camera
    without them finds facings by itself. `shelf_rows`: which rows of the location it sees, empty: from the first one on.
    `places_given`: the last number given to a `Place`."""

    __tablename__ = "camera"
    camera: Mapped[str] = mapped_column(primary_key=True)
    store: Mapped[str]
    location: Mapped[str]
    kind: Mapped[str]
    key_pattern: Mapped[str]
    records: Mapped[str | None]
    regions: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    shelf_rows: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    places_given: Mapped[int] = mapped_column(server_default=text("0"))
    expected_interval: Mapped[timedelta | None]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[Now]
    silent_since: Mapped[Moment | None]
    __table_args__ = (
        ForeignKeyConstraint(["store", "location"], [Location.store, Location.location]),
        CheckConstraint("kind in ('product', 'shelf')", name="kind"),
        CheckConstraint("records is null or records = 'received'", name="records"),
    )


class RegionOwner(Base):
    """The product last confirmed in a region of a shelf camera: only a void in it can lower that product's count."""

    __tablename__ = "region_owner"
    camera: Mapped[str] = mapped_column(ForeignKey(Camera.camera, ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str]
    confirmed_at: Mapped[Moment]


class Place(Base):
    """Where a camera that finds facings by itself last saw something stand; `region_owner` says whose it is.

    `position` is given once and never again. `seen_at`: when something was last seen to stand there.
    """

    __tablename__ = "place"
    camera: Mapped[str] = mapped_column(ForeignKey(Camera.camera, ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    x0: Mapped[float] = mapped_column(Float)
    y0: Mapped[float] = mapped_column(Float)
    x1: Mapped[float] = mapped_column(Float)
    y1: Mapped[float] = mapped_column(Float)
    seen_at: Mapped[Moment]


class Assortment(Base):
    """Products a store sells, where it does not sell all. No key to `product`: a site may be applied before its catalog."""

    __tablename__ = "assortment"
    store: Mapped[str] = mapped_column(ForeignKey(Store.store, ondelete="CASCADE"), primary_key=True)
    sku: Mapped[str] = mapped_column(primary_key=True, index=True)


class PolicyRule(Base):
    """Settings for a scope. Null means every: the effective policy is default < category < store < store+category < product
    < store+product, the later overriding key by key (see the function `effective_policy`)."""

    __tablename__ = "policy_rule"
    id: Mapped[int] = mapped_column(primary_key=True)
    store: Mapped[str | None] = mapped_column(ForeignKey(Store.store, ondelete="CASCADE"))
    category: Mapped[str | None]
    sku: Mapped[str | None] = mapped_column(index=True)
    settings: Mapped[Json]
    __table_args__ = (
        CheckConstraint("sku is null or category is null", name="one_scope"),
        Index("uq_policy_rule_scope", "store", "category", "sku", unique=True, postgresql_nulls_not_distinct=True),
    )
