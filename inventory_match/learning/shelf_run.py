"""Shelf photos of a labelled set, read by what serves: each is registered, claimed, seen and settled as a worker would, and
what it counted is read back from the tables.

Every photo has a camera and a location of its own, so that nothing carries over from one to the next. Only the bucket is
replaced, by the folder the photos lie in. One photo is in memory at a time, however many there are.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select, text

from inventory_match import pipeline, ports
from inventory_match.catalog_file import PixelBox
from inventory_match.db import models, photos
from inventory_match.domain.counting import Answer
from inventory_match.domain.errors import PhotoRejected
from inventory_match.domain.photos import Box, Captured, ObjectRef, PhotoState, PhotoUploaded
from inventory_match.domain.site import Camera
from inventory_match.learning.detections import Detection
from inventory_match.learning.shelf_figures import PhotoRead

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from inventory_match.db.engine import UnitOfWork
    from inventory_match.learning.shelf_truth import ShelfPhoto
    from inventory_match.pipeline import Eyes, Rules

STORE = "measured"
PATIENCE = pipeline.Patience(attempts=3, lease=timedelta(minutes=30), retry_wait=timedelta(0))

_COUNTED = text(
    "select sku, facings from inventory_match.stock_level where store = :store and location = :location and facings > 0"
)


@dataclass(frozen=True, slots=True)
class PhotoFolder:
    """Satisfies `ports.PhotoStore`: a key is a path in the folder."""

    folder: Path

    def fetch(self, ref: ObjectRef) -> bytes:
        try:
            return (self.folder / ref.key).read_bytes()
        except OSError as error:
            raise PhotoRejected(f"cannot be read: {error.strerror}") from error


@dataclass
class Listening:
    """Satisfies `ports.Finder`: `find`, and how sure it was of what it found last, which no table keeps."""

    find: ports.Finder
    scores: dict[Box, float] = field(default_factory=dict)

    def __call__(self, image: ports.Image) -> list[ports.Found]:
        found = self.find(image)
        self.scores = {one.box: one.score for one in found}
        return found


@dataclass(frozen=True, slots=True)
class Stand:
    """What serves, on a migrated scratch database whose catalog is filled. `eyes` must find by `finder`."""

    unit_of_work: UnitOfWork
    eyes: Eyes
    rules: Rules
    finder: Listening


def read_shelves(stand: Stand, folder: Path, listed: Iterable[ShelfPhoto]) -> Iterator[tuple[int, PhotoRead]]:
    """The id of each photo in the database, and what became of it, as soon as it did.

    Raises InvalidInput for a labelled box that is not in its picture.
    """
    own = replace(stand, eyes=replace(stand.eyes, store=PhotoFolder(folder)))
    with own.unit_of_work() as session:
        session.add(models.Store(store=STORE, name="measured photos"))
    return (_read(own, number, one) for number, one in enumerate(listed))


def _read(stand: Stand, number: int, one: ShelfPhoto) -> tuple[int, PhotoRead]:
    with stand.unit_of_work() as session:
        photo_id = _register(session, number, one.photo)
    stand.finder.scores = {}
    begun = time.perf_counter()
    for _ in range(PATIENCE.attempts):
        now = datetime.now(UTC)
        state = pipeline.process(photo_id, stand.eyes, stand.rules, PATIENCE, stand.unit_of_work, now)
        if state is not PhotoState.REGISTERED:
            break
    seconds = time.perf_counter() - begun
    with stand.unit_of_work() as session:
        return photo_id, _rows(session, photo_id, number, one, seconds, stand.finder.scores)


def _register(session: Session, number: int, photo: str) -> int:
    """A camera without regions, and its only photo."""
    name = f"photo-{number}"
    session.add(models.Location(store=STORE, location=name, name=photo))
    session.flush()
    camera = Camera(name, STORE, name, "shelf", f"{name}/")
    session.add(models.Camera(camera=name, store=STORE, location=name, kind="shelf", key_pattern=camera.key_pattern))
    session.flush()
    now = datetime.now(UTC)
    uploaded = PhotoUploaded(ObjectRef("folder", photo, None, name), now)
    registered = photos.register(session, uploaded, "scan", Captured(now, "event"), camera)
    if registered is None:  # a version of its own: nothing can have registered it before
        raise AssertionError(photo)
    return registered


def _rows(
    session: Session, photo_id: int, number: int, one: ShelfPhoto, seconds: float, scores: Mapping[Box, float]
) -> PhotoRead:
    row = session.get_one(models.Photo, photo_id)
    size = (row.width, row.height) if row.width and row.height else None
    counted = session.execute(_COUNTED, {"store": STORE, "location": f"photo-{number}"})
    return PhotoRead(
        photo=one.photo,
        counted={row.sku: row.facings for row in counted},
        detections=list(_detections(session, photo_id, scores, *size)) if size else [],
        seconds=seconds,
        state=row.state,
        cause=row.cause,
        counts=one.counts,
        labels=None if one.boxes is None else [box.in_picture(size) for box in one.boxes],
    )


def _detections(
    session: Session, photo_id: int, scores: Mapping[Box, float], width: int, height: int
) -> Iterator[Detection]:
    """What was found: all but places that were looked at and are empty."""
    found = select(models.Sighting).where(models.Sighting.photo_id == photo_id, models.Sighting.answer != Answer.VOID)
    for row in session.scalars(found.order_by(models.Sighting.position)):
        box = PixelBox(row.x0 * width, row.y0 * height, row.x1 * width, row.y1 * height)
        first = row.candidates[0]["sku"] if row.candidates else None
        yield Detection(box, scores.get(Box(row.x0, row.y0, row.x1, row.y1), 0.0), row.sku, first)
