"""What stands where on a shelf: the facings of each settled photo, by shelf row from the top and place from the left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, text
from sqlalchemy.orm import Session

from inventory_match.domain.counting import Answer, RegionSeen
from inventory_match.domain.fusion import RowView
from inventory_match.domain.rows import Standing, arrange, row_of_location

from .models import ShelfFacing

if TYPE_CHECKING:
    from datetime import datetime

    from .photos import Claimed
    from .sightings import Sighted


_OTHER_VIEWS = text("""
    select v.camera, v.shelf_row, v.captured_at, g.position, g.answer, g.sku, o.sku as owner
    from inventory_match.shelf_row_view v
    join inventory_match.shelf_facing g on g.photo_id = v.photo_id and g.shelf_row = v.shelf_row
    left join inventory_match.region_owner o on o.camera = v.camera and o.position = g.position
    where v.store = :store and v.location = :location and v.photo_id <> :photo
      and (v.camera <> :camera or v.captured_at > :at)
      and exists (
          select from inventory_match.camera c
          where c.store = :store and c.location = :location and c.kind = 'shelf' and c.active and c.camera <> :camera)
    order by v.camera, v.shelf_row, g.position""")


def rows(photo: Claimed, sighted: Sequence[Sighted], at: datetime, belongs: Mapping[int, str]) -> list[RowView]:
    """The location's rows that a photo shows, as its camera saw them."""
    found: dict[int, list[RegionSeen]] = {}
    for one, stands in zip(sighted, _standing(sighted), strict=True):
        row = row_of_location(stands.row, photo.rows)
        found.setdefault(row, []).append(RegionSeen(one.position, one.answer, one.sku))
    return [RowView(row, photo.camera, at, tuple(seen), belongs) for row, seen in sorted(found.items())]


def other_views(session: Session, photo: Claimed, at: datetime) -> list[RowView]:
    """The rows of a photo's location as other photos show them: those of other cameras, and newer ones of its own."""
    found = session.execute(
        _OTHER_VIEWS,
        {"photo": photo.id, "camera": photo.camera, "at": at, "store": photo.store, "location": photo.location},
    )
    views: dict[tuple[str, int, datetime], tuple[list[RegionSeen], dict[int, str]]] = {}
    for row in found:
        seen, belongs = views.setdefault((row.camera, row.shelf_row, row.captured_at), ([], {}))
        seen.append(RegionSeen(row.position, Answer(row.answer), row.sku))
        if row.owner is not None:
            belongs[row.position] = row.owner
    return [
        RowView(row, camera, seen_at, tuple(seen), belongs) for (camera, row, seen_at), (seen, belongs) in views.items()
    ]


def save(session: Session, photo: Claimed, sighted: Sequence[Sighted], at: datetime) -> None:
    """Replaces the facings of a photo, taken at `at`: one that is seen anew may show others."""
    session.execute(delete(ShelfFacing).where(ShelfFacing.photo_id == photo.id))
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
        for one, stands in zip(sighted, _standing(sighted), strict=True)
    ]
    if rows:
        session.execute(insert(ShelfFacing), rows)


def _standing(sighted: Sequence[Sighted]) -> list[Standing]:
    """Rows and places; what is unknown and less than half as tall as what stands there, such as a price tag, makes no row."""
    heights = [one.box.y1 - one.box.y0 for one in sighted]
    usual = median(heights) if heights else 0.0
    low = {i for i, one in enumerate(sighted) if one.answer is Answer.UNKNOWN and heights[i] < usual / 2}
    return arrange([one.box for one in sighted], loose=low)
