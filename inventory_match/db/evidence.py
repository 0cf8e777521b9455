"""The photo behind a level, for alerts that no photo raised by itself: a snooze ended, or a policy changed.

It has the shape of what `shelf` hands over for the photo in hand.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

_NEWEST = text("""
    select f.id, f.bucket, f.key, f.version, v.observed_at, f.camera, f.location, n.name as encoder, n.sha256,
           (select coalesce(jsonb_agg(jsonb_build_object(
                       'position', g.position,
                       'box', jsonb_build_array(g.x0, g.y0, g.x1, g.y1),
                       'answer', g.answer,
                       'similarity', round(g.similarity::numeric, 4)) order by g.position), '[]')
            from inventory_match.sighting g
            where g.photo_id = f.id and (g.sku = :sku or g.answer = 'void')) as sightings
    from inventory_match.stock_level l
    join inventory_match.stock_event v on v.id = l.event_id
    join inventory_match.photo f on f.id = v.photo_id
    join inventory_match.encoder n on n.id = f.encoder_id
    where l.store = :store and l.sku = :sku
    order by v.observed_at desc, v.id desc
    limit 1
""")


def photo_behind(session: Session, store: str, sku: str) -> dict[str, Any]:
    """The newest photo that set the level of a product in a store, with its boxes; empty where no photo did."""
    found = session.execute(_NEWEST, {"store": store, "sku": sku}).one_or_none()
    if found is None:
        return {}
    return {
        "photo": {"id": found.id, "bucket": found.bucket, "key": found.key, "version": found.version},
        "captured_at": found.observed_at.isoformat(),
        "camera": found.camera,
        "location": found.location,
        "sightings": found.sightings,
        "encoder": {"name": found.encoder, "sha256": found.sha256},
    }
