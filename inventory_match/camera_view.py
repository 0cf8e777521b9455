"""Before a shelf photo counts: does its camera still look at what it used to?

A camera that was moved, turned or covered sees products that stand elsewhere, and none of those that stand here. Its photo
rests as `needs_review` with everything on it not assessable, until it looks as before or a person accepts the new view.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from inventory_match.db import camera_views, ledger, photos
from inventory_match.db.camera_views import View
from inventory_match.db.models import Camera, Photo
from inventory_match.db.sightings import Sighted
from inventory_match.domain.counting import Answer
from inventory_match.domain.errors import Conflict, NotFound
from inventory_match.domain.photos import PhotoState

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from inventory_match.db.catalog import Encoder
    from inventory_match.db.photos import Claimed
    from inventory_match.domain.views import ViewLimits
    from inventory_match.ports import Embeddings, Image


def view(image: Image, embedding: Embeddings) -> View:
    """A whole photo, RGB uint8 (h, w, 3), and its embedding, shape (dim,)."""
    from inventory_match.vision.outline import outline

    return View(embedding, outline(image))


def strange(
    session: Session,
    photo: Claimed,
    encoder: Encoder,
    seen: View | None,
    sighted: Sequence[Sighted],
    limits: ViewLimits,
) -> str | None:
    """What is strange about a photo's view, and what a person can do about it; None where nothing is, or not yet known.

    A camera that finds at least half of what it sees where it was last confirmed looks where it did, however it looks.
    """
    from inventory_match.vision.outline import agreement

    if seen is None or not limits.layout:
        return None
    usual = camera_views.usual(session, photo.id, photo.camera, encoder, seen)
    if usual is None or (usual.photos < limits.photos and not usual.accepted):
        return None
    complaint = limits.complaint(usual.similarity, agreement(seen.outline, usual.outlines))
    if complaint is None or _at_home(sighted, ledger.owners(session, photo.camera)):
        return None
    return f"{complaint}; put it back, or accept what it sees now: `inventory-match cameras accept {photo.id}`"


def _at_home(sighted: Sequence[Sighted], owners: Mapping[int, str]) -> bool:
    products = [one for one in sighted if one.sku is not None]
    return bool(products) and 2 * sum(owners.get(one.position) == one.sku for one in products) >= len(products)


def hidden(sighted: Sequence[Sighted], cause: str) -> list[Sighted]:
    """What was seen with a strange view: places nothing can be said of."""
    return [Sighted(one.position, one.box, Answer.NOT_ASSESSABLE, cause) for one in sighted]


def remember(
    session: Session, photo: Claimed, encoder: Encoder, at: datetime, seen: View | None, state: PhotoState
) -> None:
    """Keeps the view of an assessed photo as a usual one, and a strange one for the person who may accept it."""
    if seen is not None:
        usual = state in (PhotoState.DONE, PhotoState.EMPTY)
        camera_views.keep(session, photo.id, photo.camera, encoder, at, seen, usual=usual)


def accept(session: Session, photo_id: int) -> str:
    """Makes the view of a photo its camera's usual one and has the photo tried again; returns the camera.

    Raises NotFound for an unknown photo, Conflict where it is not a resting photo of a shelf camera.
    """
    photo = session.get(Photo, photo_id)
    if photo is None:
        raise NotFound(f"photo {photo_id} does not exist; `inventory-match photos list` shows them")
    camera = session.get(Camera, photo.camera) if photo.camera is not None else None
    if camera is None or camera.kind != "shelf":
        raise Conflict(f"photo {photo_id} is of no shelf camera; only those have a usual view")
    camera_views.accept(session, photo_id, camera.camera)
    if not camera.regions:
        ledger.forget_owners(session, camera.camera)
    if not photos.redrive(session, [photo_id]):
        raise Conflict(f"photo {photo_id} is {photo.state}, or its picture is gone: it cannot be seen again")
    return camera.camera
