"""What should stand on a shelf: plans with their slots, and what each settled shelf photo says to what was expected."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, BigId, Moment, Now
from .catalog import Product
from .photos import Photo


class Planogram(Base):
    """A plan of one location, or of one camera's view of it. It holds from `applied_at` until `ended_at`."""

    __tablename__ = "planogram"
    id: Mapped[BigId]
    store: Mapped[str]
    location: Mapped[str]
    camera: Mapped[str | None]
    name: Mapped[str]
    applied_at: Mapped[Now]
    applied_by: Mapped[str]
    ended_at: Mapped[Moment | None]
    __table_args__ = (
        Index(
            "uq_planogram_in_force",
            "store",
            "location",
            "camera",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("ended_at is null"),
        ),
    )


class PlanogramSlot(Base):
    """One product of a plan: its row from the top, its number in that row from the left, and how many facings wide."""

    __tablename__ = "planogram_slot"
    planogram_id: Mapped[int] = mapped_column(ForeignKey(Planogram.id, ondelete="CASCADE"), primary_key=True)
    shelf_row: Mapped[int] = mapped_column(primary_key=True)
    place_in_row: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(ForeignKey(Product.sku))
    facings: Mapped[int]
    __table_args__ = (
        CheckConstraint("shelf_row >= 1 and place_in_row >= 1 and facings >= 1", name="counted_from_one"),
    )


class ShelfVerdict(Base):
    """What a photo says of one expected facing, or of one too many, which has no row and place of its own to be in.

    `seen_*`: what was seen in its place. `stands_*`: where a misplaced one stands instead. Without a planogram what is usual
    there was expected, as `seen_in` of `looks` earlier photos showed it.
    """

    __tablename__ = "shelf_verdict"
    photo_id: Mapped[int] = mapped_column(ForeignKey(Photo.id, ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    planogram_id: Mapped[int | None] = mapped_column(ForeignKey(Planogram.id))
    shelf_row: Mapped[int | None]
    place_in_row: Mapped[int | None]
    sku: Mapped[str]
    verdict: Mapped[str]
    seen_answer: Mapped[str | None]
    seen_sku: Mapped[str | None]
    seen_row: Mapped[int | None]
    seen_place: Mapped[int | None]
    position: Mapped[int | None]
    stands_row: Mapped[int | None]
    stands_place: Mapped[int | None]
    seen_in: Mapped[int | None]
    looks: Mapped[int | None]
    __table_args__ = (
        CheckConstraint(
            "verdict in ('compliant', 'misplaced', 'missing', 'extra', 'needs_review', 'not_assessable')",
            name="verdict",
        ),
        CheckConstraint("(verdict = 'extra') = (shelf_row is null)", name="extra_was_not_expected"),
        CheckConstraint("(verdict = 'misplaced') = (stands_row is not null)", name="misplaced_stands_elsewhere"),
    )
