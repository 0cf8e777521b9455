"""What each shelf camera usually looks at: its newest assessed photos as a whole, one row a photo and encoder.

Another encoder's embeddings say nothing of these, so each has views of its own and starts afresh.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pgvector import HalfVector
from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from .models import CameraView, Place

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from inventory_match.ports import Outline

    from .models import Encoder

KEPT = 8
"""Views of a camera that make its usual one, and as many strange ones that wait for a person."""

_SIMILARITY = text(
    # Cosine for every encoder: it is the direction of a mean that is compared.
    "select count(*) as photos, coalesce(bool_or(accepted), false) as accepted,"
    " 1 - (avg(embedding) <=> cast(:view as halfvec)) as similarity"
    " from inventory_match.camera_view"
    " where camera = :camera and encoder_id = :encoder and usual and photo_id <> :photo"
)


@dataclass(frozen=True, slots=True)
class View:
    """A photo as a whole: its embedding, shape (dim,), and its outline, uint8 (72, 96)."""

    embedding: NDArray[np.float32]
    outline: Outline


@dataclass(frozen=True, slots=True)
class Usual:
    """How many photos make the usual view, whether a person accepted one of them, the similarity of the view that was asked
    about to their mean, and their outlines."""

    photos: int
    accepted: bool
    similarity: float
    outlines: list[Outline]


def usual(session: Session, photo_id: int, camera: str, encoder: Encoder, view: View) -> Usual | None:
    """The usual view of a camera against which to judge `view`, which the photo itself is no part of; None: there is none."""
    named = {"camera": camera, "encoder": encoder.id, "photo": photo_id, "view": HalfVector(view.embedding).to_text()}
    row = session.execute(_SIMILARITY, named).one()
    if not row.photos:
        return None
    stored = session.scalars(
        select(CameraView.outline).where(*_of(camera, encoder.id), CameraView.usual, CameraView.photo_id != photo_id)
    )
    shape = view.outline.shape
    outlines = [np.frombuffer(one, np.uint8).reshape(shape) for one in stored]
    return Usual(row.photos, row.accepted, float(row.similarity), outlines)


def keep(
    session: Session, photo_id: int, camera: str, encoder: Encoder, at: datetime, view: View, *, usual: bool
) -> None:
    """Keeps a view, and lets go of the oldest of its kind. Seen anew, a photo that was accepted stays so."""
    row = {
        "photo_id": photo_id, "encoder_id": encoder.id, "camera": camera, "captured_at": at,
        "embedding": HalfVector(view.embedding), "outline": view.outline.tobytes(), "usual": usual,
    }  # fmt: skip
    statement = insert(CameraView).values(row)
    changes = {"usual": CameraView.accepted | statement.excluded.usual, "embedding": statement.excluded.embedding}
    changes["outline"] = statement.excluded.outline
    session.execute(statement.on_conflict_do_update(index_elements=["photo_id", "encoder_id"], set_=changes))
    newest = (
        select(CameraView.photo_id)
        .where(*_of(camera, encoder.id), CameraView.usual == usual)
        .order_by(CameraView.captured_at.desc(), CameraView.photo_id.desc())
        .limit(KEPT)
    )
    session.execute(
        delete(CameraView).where(
            *_of(camera, encoder.id), CameraView.usual == usual, CameraView.photo_id.not_in(newest.scalar_subquery())
        )
    )


def accept(session: Session, photo_id: int, camera: str) -> None:
    """The view of this photo is the usual one from now on, and what the camera looked at before is forgotten: its usual views
    by any encoder, and the places it remembers."""
    session.execute(delete(CameraView).where(CameraView.camera == camera, CameraView.usual))
    session.execute(update(CameraView).where(CameraView.photo_id == photo_id).values(usual=True, accepted=True))
    session.execute(delete(Place).where(Place.camera == camera))


def _of(camera: str, encoder_id: int) -> tuple[Any, Any]:
    return CameraView.camera == camera, CameraView.encoder_id == encoder_id
