"""The catalog: products, their reference photos, the encoders, and one vector per reference and encoder."""

from __future__ import annotations

from typing import Any

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import CheckConstraint, Float, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, BigId, Json, Moment, Now


class Product(Base):
    """A thing that is sold. Retired products stay for their history and are never matched."""

    __tablename__ = "product"
    sku: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    category: Mapped[str | None] = mapped_column(index=True)
    brand: Mapped[str | None]
    gtin: Mapped[str | None] = mapped_column(unique=True)
    description: Mapped[str | None]
    retired_at: Mapped[Moment | None]
    created_at: Mapped[Now]


class ReferencePhoto(Base):
    """One reference photo of a product, copied into the bucket content-addressed, so that no local path is ever needed."""

    __tablename__ = "reference_photo"
    id: Mapped[BigId]
    sku: Mapped[str] = mapped_column(ForeignKey(Product.sku))
    content_hash: Mapped[str]
    bucket: Mapped[str]
    key: Mapped[str]
    source: Mapped[str]
    created_at: Mapped[Now]
    __table_args__ = (Index("uq_reference_photo_sku_content_hash", "sku", "content_hash", unique=True),)


class Encoder(Base):
    """What made a vector: file, dimension, metric, preprocessing, licence, and the thresholds calibrated with it.

    `bucket` and `key` say where its file is kept; null where only the configuration of hosts names it. `pruned_at`: its
    vectors are gone, and the row stays for the sightings it made.
    """

    __tablename__ = "encoder"
    id: Mapped[BigId]
    name: Mapped[str]
    arch: Mapped[str]
    sha256: Mapped[str] = mapped_column(unique=True)
    dim: Mapped[int]
    metric: Mapped[str]
    record: Mapped[Json]
    thresholds: Mapped[Json]
    state: Mapped[str]
    created_at: Mapped[Now]
    activated_at: Mapped[Moment | None]
    retired_at: Mapped[Moment | None]
    pruned_at: Mapped[Moment | None]
    bucket: Mapped[str | None]
    key: Mapped[str | None]
    __table_args__ = (
        CheckConstraint("state in ('building', 'ready', 'active', 'retired')", name="state"),
        CheckConstraint("metric in ('cosine', 'euclidean')", name="metric"),
        Index("uq_encoder_active", "state", unique=True, postgresql_where=text("state = 'active'")),
    )


class ReferenceEmbedding(Base):
    """The vector of a reference by an encoder. Undimensioned `halfvec`: each encoder has its own partial index."""

    __tablename__ = "reference_embedding"
    encoder_id: Mapped[int] = mapped_column(ForeignKey(Encoder.id), primary_key=True)
    reference_id: Mapped[int] = mapped_column(ForeignKey(ReferencePhoto.id, ondelete="CASCADE"), primary_key=True)
    sku: Mapped[str] = mapped_column(ForeignKey(Product.sku))
    embedding: Mapped[Any] = mapped_column(HALFVEC())
    __table_args__ = (Index("ix_reference_embedding_encoder_id_sku", "encoder_id", "sku"),)


class EncoderBuild(Base):
    """The pace at which an encoder embeds the references it lacks, over all workers."""

    __tablename__ = "encoder_build"
    encoder_id: Mapped[int] = mapped_column(ForeignKey(Encoder.id), primary_key=True)
    next_at: Mapped[Now]
    last_at: Mapped[Moment | None]
    rate: Mapped[float | None] = mapped_column(Float)


class EncoderFailure(Base):
    """A reference photo an encoder could not embed, until it is tried again."""

    __tablename__ = "encoder_failure"
    encoder_id: Mapped[int] = mapped_column(ForeignKey(Encoder.id), primary_key=True)
    reference_id: Mapped[int] = mapped_column(ForeignKey(ReferencePhoto.id, ondelete="CASCADE"), primary_key=True)
    cause: Mapped[str]
    at: Mapped[Now]
