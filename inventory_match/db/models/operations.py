"""What operators ask of the product itself: when each chore last ran, and what it found."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, Json, Now


class Chore(Base):
    """One row a chore, written again by each run. Nothing reads it in order to work."""

    __tablename__ = "chore"
    chore: Mapped[str] = mapped_column(primary_key=True)
    ran_at: Mapped[Now]
    figures: Mapped[Json] = mapped_column(server_default=text("'{}'"))
