"""A photo of the bucket with its sightings drawn on it: what `photos draw`, the demo and `evaluate shelf` show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from inventory_match.domain.errors import Conflict, NotFound
from inventory_match.domain.photos import Box, ObjectRef
from inventory_match.drawing import Mark, annotate

if TYPE_CHECKING:
    from PIL import Image
    from sqlalchemy.orm import Session

    from inventory_match.ports import PhotoStore

_PHOTO = text(
    "select bucket, key, version_id, etag, state, cause, expired_at from inventory_match.photo where id = :photo"
)
_SEEN = text(
    # An unknown place is called what it is most like, an empty one what was last confirmed to stand there.
    "select s.x0, s.y0, s.x1, s.y1, s.answer, s.outcome, s.similarity, coalesce(p.name, named.sku) as name, r.shelf_row"
    " from inventory_match.sighting s join inventory_match.photo f on f.id = s.photo_id"
    " left join inventory_match.region_owner o on o.camera = f.camera and o.position = s.position and s.answer = 'void'"
    " cross join lateral (select coalesce(s.sku, s.candidates -> 0 ->> 'sku', o.sku) as sku) named"
    " left join inventory_match.shelf_facing r on r.photo_id = s.photo_id and r.position = s.position"
    " left join inventory_match.product p on p.sku = named.sku"
    " where s.photo_id = :photo order by s.position"
)


def annotated_photo(session: Session, store: PhotoStore, photo_id: int, title: str = "") -> Image.Image:
    """A photo fetched from the bucket, with its sightings drawn on it; a title is followed by where the photo rests, and why.

    Raises NotFound for an unknown id, Conflict where retention let the picture go, PhotoSuperseded where the object was
    replaced or removed.
    """
    photo = session.execute(_PHOTO, {"photo": photo_id}).one_or_none()
    if photo is None:
        raise NotFound(f"photo {photo_id} does not exist; `inventory-match photos list` shows them")
    if photo.expired_at is not None:
        raise Conflict(
            f"photo {photo_id} was let go on {photo.expired_at:%Y-%m-%d}, as retention says, and its picture with it;"
            f" what was seen on it stays: `inventory-match photos show {photo_id}`"
        )
    marks = [
        Mark(
            Box(seen.x0, seen.y0, seen.x1, seen.y1),
            "ambiguous" if seen.outcome == "ambiguous" else seen.answer,
            seen.name,
            seen.similarity,
            seen.shelf_row,
        )
        for seen in session.execute(_SEEN, {"photo": photo_id})
    ]
    rest = f", {photo.state}" + (f": {photo.cause}" if photo.cause else "")
    data = store.fetch(ObjectRef(photo.bucket, photo.key, photo.version_id, photo.etag))
    return annotate(data, marks, title and title + rest)
