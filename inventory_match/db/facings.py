"""What stands where on a shelf, in rows: the facings of each settled photo, by shelf row from the top and place from the left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from inventory_match.domain.rows import arrange, row_of_location

from .models import ShelfFacing

if TYPE_CHECKING:
    from datetime import datetime

    from .photos import Claimed
    from .sightings import Sighted


def save(session: Session, photo: Claimed, sighted: Sequence[Sighted], at: datetime) -> None:
    """Replaces the facings of a photo, taken at `at`: one that is seen anew may show others."""
    session.execute(delete(ShelfFacing).where(ShelfFacing.photo_id == photo.id))
    standing = arrange([one.box for one in sighted])
    rows = [
        {
            "photo_id": photo.id,
            "position": one.position,
            "store": photo.store,
            "location": photo.location,
            "camera": photo.camera,
            "shelf_row": row_of_location(stands.row, photo.rows),
            "place_in_row": stands.place,
            "x0": one.box.x0,
            "y0": one.box.y0,
            "x1": one.box.x1,
            "y1": one.box.y1,
            "answer": one.answer,
            "sku": one.sku,
            "similarity": one.decision.similarity if one.decision else None,
            "captured_at": at,
        }
        for one, stands in zip(sighted, standing, strict=True)
    ]
    if rows:
        session.execute(insert(ShelfFacing), rows)
