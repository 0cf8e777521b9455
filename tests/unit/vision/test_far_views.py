"""References shrunk to the size of a facing: embedded once, left out where they cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inventory_match.domain.errors import PhotoSuperseded
from inventory_match.domain.photos import ObjectRef
from inventory_match.vision.far_views import FarViews

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inventory_match.ports import Embeddings, Image

JAM, TEA, GONE = (ObjectRef("bucket", name, None, "") for name in ("jam", "tea", "gone"))


class Sizes:
    """An encoder whose vectors are the sizes of the crops."""

    sha256 = "ab"

    def __init__(self) -> None:
        self.asked: list[tuple[int, ...]] = []

    def embed(self, crops: Sequence[Image]) -> Embeddings:
        self.asked += [crop.shape for crop in crops]
        return np.array([crop.shape[:2] for crop in crops], np.float32)


def pixels(ref: ObjectRef) -> Image:
    if ref == GONE:
        raise PhotoSuperseded("it is gone")
    return np.zeros((200, 100, 3) if ref == JAM else (30, 40, 3), np.uint8)


def test_each_reference_is_shrunk_and_embedded_once_a_size() -> None:
    far, encoder = FarViews(pixels), Sizes()
    wanted = {"jam": [JAM, GONE], "tea": [TEA], "ghost": [GONE]}
    found = far(encoder, wanted, 50)
    assert {sku: vectors.tolist() for sku, vectors in found.items()} == {"jam": [[50, 25]], "tea": [[30, 40]]}
    far(encoder, wanted, 50)
    assert encoder.asked == [(50, 25, 3), (30, 40, 3)], "asked once; what is small already stays as it is"
    assert far(encoder, {"jam": [JAM]}, 64)["jam"].tolist() == [[64, 32]]


def test_what_was_used_last_is_what_stays() -> None:
    far, encoder = FarViews(pixels, kept=1), Sizes()
    assert set(far(encoder, {"jam": [JAM], "tea": [TEA]}, 50)) == {"jam", "tea"}
    far(encoder, {"tea": [TEA]}, 50)
    assert len(encoder.asked) == 2
    far(encoder, {"jam": [JAM]}, 50)
    assert len(encoder.asked) == 3


def test_nothing_to_ask_asks_nothing() -> None:
    encoder = Sizes()
    assert FarViews(pixels)(encoder, {}, 50) == {}
    assert FarViews(pixels)(encoder, {"ghost": [GONE]}, 50) == {}
    assert encoder.asked == []
