"""What people answered about a sighting the catalog could not decide: append-only, like the ledger."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, BigId, Now
from .catalog import Product


class ReviewAnswer(Base):
    """One answer about one region of one photo, or (`undone`) the taking back of one.

    `round` is how often the region's answer was taken back before: the unique index on it refuses the second of two people
    who answer at once. `group_of` is the sighting that stood for its look-alikes, where one answer was given for all.
    """

    __tablename__ = "review_answer"
    id: Mapped[BigId]
    photo_id: Mapped[int]
    position: Mapped[int]
    round: Mapped[int]
    sighting_id: Mapped[int]
    verdict: Mapped[str]
    sku: Mapped[str | None] = mapped_column(ForeignKey(Product.sku))
    reference_id: Mapped[int | None] = mapped_column(index=True)
    group_of: Mapped[int | None] = mapped_column(index=True)
    undoes: Mapped[int | None] = mapped_column(ForeignKey("inventory_match.review_answer.id"))
    forced: Mapped[bool] = mapped_column(server_default=text("false"))
    actor: Mapped[str]
    reason: Mapped[str | None]
    answered_at: Mapped[Now]
    __table_args__ = (
        CheckConstraint("verdict in ('product', 'none', 'undone')", name="verdict"),
        CheckConstraint("(verdict = 'product') = (sku is not null)", name="product_has_sku"),
        CheckConstraint("reference_id is null or verdict = 'product'", name="reference"),
        CheckConstraint("(verdict = 'undone') = (undoes is not null)", name="undone"),
        Index(
            "uq_review_answer_standing",
            "photo_id",
            "position",
            "round",
            unique=True,
            postgresql_where=text("verdict <> 'undone'"),
        ),
        Index("uq_review_answer_undoes", "undoes", unique=True),
    )
