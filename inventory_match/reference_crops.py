"""Crops of sightings on their way to being reference photos: which of them, their bytes as kept, their vector.

A vector is taken over from the sighting where the active encoder made it, and made anew where another one did: vectors of two
encoders are never mixed. A crop that looks like another product than the one it is said to show is doubted here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inventory_match.db import catalog
from inventory_match.db.review import REVIEWED
from inventory_match.domain.errors import PhotoSuperseded
from inventory_match.domain.matching import Candidate, Thresholds
from inventory_match.domain.review import contradiction
from inventory_match.intake import CATALOG_PREFIX
from inventory_match.look_alikes import most_different, pairwise

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    from inventory_match.db.catalog import Encoder
    from inventory_match.db.sightings import Kept
    from inventory_match.enrol import Studio

REFERENCES_OF_A_GROUP = 8
"""So many crops of a group become references, the most different ones: more of the same cost search and teach nothing."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A crop as JPEG, and its vector of shape (dim,) by the active encoder."""

    sighting_id: int
    data: bytes
    vector: NDArray[np.float32]

    @property
    def content_hash(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def key(self) -> str:
        """Where it is kept: content-addressed, like the pictures of a catalog import."""
        return f"{CATALOG_PREFIX}{self.content_hash}.jpg"

    def reference(self, sku: str, bucket: str) -> catalog.Reference:
        return catalog.Reference(sku, self.content_hash, bucket, self.key, f"{REVIEWED} sighting {self.sighting_id}")


def most_telling(asked: list[Kept], encoder: Encoder) -> list[Kept]:
    """Those that are to become references: all, or of a larger group the most different ones by the active encoder."""
    comparable = [kept for kept in asked if kept.vector is not None and _by(kept, encoder)]
    if len(asked) <= REFERENCES_OF_A_GROUP or len(comparable) < REFERENCES_OF_A_GROUP:
        return asked[:REFERENCES_OF_A_GROUP]
    vectors = np.stack([kept.vector for kept in comparable if kept.vector is not None])
    return [comparable[i] for i in most_different(pairwise(vectors, encoder.metric), REFERENCES_OF_A_GROUP)]


def _by(kept: Kept, encoder: Encoder) -> bool:
    return kept.encoder is not None and kept.encoder.id == encoder.id


def cut(studio: Studio, encoder: Encoder, chosen: list[Kept]) -> list[Crop]:
    """Their crops as they will be kept; a photo that is gone is passed over as long as another one is there.

    `encoder` is the row of the studio's. Raises PhotoSuperseded where none is there.
    """
    crops, gone = [], None
    for kept in chosen:
        try:
            crops.append(_cut(studio, encoder, kept))
        except PhotoSuperseded as error:
            gone = error
    if gone is not None and not crops:
        raise gone
    return crops


def _cut(studio: Studio, encoder: Encoder, kept: Kept) -> Crop:
    data = studio.encode_jpeg(studio.crop(studio.decode(studio.store.fetch(kept.photo)).image, kept.box))
    if kept.vector is not None and _by(kept, encoder):
        return Crop(kept.id, data, kept.vector)
    [vector] = studio.encoder.embed([studio.decode(data).image])
    return Crop(kept.id, data, vector)


def contradicted(session: Session, encoder: Encoder, sku: str, crops: Sequence[Crop]) -> str | None:
    """What speaks against these crops as references of the product, for people; None where nothing does."""
    thresholds = Thresholds.from_mapping(encoder.thresholds)
    for crop in crops:
        found = catalog.nearest_references(session, encoder, crop.vector, 2, best_of_each=True)
        own = catalog.nearest_references(session, encoder, crop.vector, 1, skus=[sku])
        nearest = [Candidate(one.sku, one.similarity) for one in found]
        other = contradiction(sku, nearest, own[0].similarity if own else None, thresholds)
        if other is not None:
            named = f"{own[0].similarity:.3f} to {sku}" if own else f"{sku} has no references"
            return (
                f"sighting {crop.sighting_id} looks like {other.sku}, similarity {other.similarity:.3f} ({named}):"
                " as a reference it would draw photos of that product to this one; --force if you are sure"
            )
    return None
