"""Where the pipeline meets the world: one Protocol a neighbour, each as narrow as the pipeline's need.

Images are RGB arrays of shape (height, width, 3), uint8. Embeddings are float32 arrays of shape (n, dim). Adapters raise
`domain.errors` only: Transient where another try may help, Permanent where it does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from inventory_match.domain.photos import Box, ObjectRef, Quality
from inventory_match.domain.places import Place
from inventory_match.domain.printed import Claim

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Image = NDArray[np.uint8]
    Embeddings = NDArray[np.float32]
    Outline = NDArray[np.uint8]


class PhotoStore(Protocol):
    """Reads photos. Raises PhotoSuperseded when the version is gone, PhotoRejected over the byte cap."""

    def fetch(self, ref: ObjectRef) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Decoded:
    """A photo ready to be looked at: upright RGB, its figures, and the time its EXIF tells (None when it tells none).

    EXIF times carry no zone unless OffsetTimeOriginal is there; a naive one is returned naive.
    """

    image: Image
    quality: Quality
    taken_at: datetime | None


class Decoder(Protocol):
    """Bytes to pixels. Raises PhotoRejected naming what is wrong."""

    def __call__(self, data: bytes) -> Decoded: ...


@dataclass(frozen=True, slots=True)
class Region:
    """One place in the photo where a product may stand.

    `position` is stable for a camera, so that a void can be told from a product that was there before; below 0 it is new, and
    numbered when the photo is settled. `answer` is `candidate` (embed it and ask the catalog), `void` (empty shelf) or
    `not_assessable` (with `reason`). `remembered`: nothing was found there, it was looked at for its `Place`.
    """

    position: int
    box: Box
    answer: str = "candidate"
    reason: str | None = None
    remembered: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A product a detector saw: its box, and how sure it is, 0..1."""

    box: Box
    score: float


class Finder(Protocol):
    """Finds products of any kind: one box a facing, in no order, none where there is nothing."""

    def __call__(self, image: Image) -> list[Found]: ...


class Detector(Protocol):
    """Finds regions. `fixed` are the camera's own boxes, empty where it has none; `places` what a camera remembers that
    finds facings by itself, None for any other."""

    def __call__(self, image: Image, fixed: Sequence[Box], places: Sequence[Place] | None = None) -> list[Region]: ...


class Cropper(Protocol):
    """Cuts a box out of an image; a view or a copy, never smaller than one pixel."""

    def __call__(self, image: Image, box: Box) -> Image: ...


class Prints(Protocol):
    """Finds the prints of known packs in a photo; `references` are a few reference photos a product."""

    def __call__(self, image: Image, references: Mapping[str, Sequence[ObjectRef]]) -> list[Claim]: ...


class FarViews(Protocol):
    """Embeddings (n, dim) of a few reference photos a product, shrunk to `side` px as if they stood far away."""

    def __call__(
        self, encoder: Encoder, references: Mapping[str, Sequence[ObjectRef]], side: int
    ) -> Mapping[str, Embeddings]: ...


class Encoder(Protocol):
    """Pixels to vectors; one call embeds all crops of a photo."""

    @property
    def sha256(self) -> str:
        """Identifies the model file: every stored vector carries the encoder that made it."""
        ...

    def embed(self, crops: Sequence[Image]) -> Embeddings: ...


class Kicker(Protocol):
    """Tells a worker that a photo waits. May fail silently late: the sweep kicks again."""

    def kick(self, photo_id: int) -> None: ...

    def waiting(self) -> int:
        """How many kicks no worker has taken yet. Raises ServiceUnavailable where nobody can tell."""
        ...
