"""References as they would look from as far away as a facing stands: shrunk to its size and embedded, once a process.

A facing of seventy pixels resembles a sharp packshot little, and the packshot at seventy pixels much: an encoder also sees how
sharp a picture is. On rendered shelves of 210 packs of 70 px, 7 % are known by the one and 74 % by the other.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as Pillow

from inventory_match.domain.errors import Permanent

if TYPE_CHECKING:
    from inventory_match.domain.photos import ObjectRef
    from inventory_match.ports import Embeddings, Encoder, Image

KEPT = 5000
"""Embeddings that stay in memory, a kilobyte or two each."""
_Key = tuple[str, str, int, str]


class FarViews:
    """Satisfies `ports.FarViews`. `pixels` fetches a reference as RGB uint8 (h, w, 3)."""

    def __init__(self, pixels: Callable[[ObjectRef], Image], kept: int = KEPT) -> None:
        self._pixels, self._most = pixels, kept
        self._kept: OrderedDict[_Key, Embeddings | None] = OrderedDict()

    def __call__(
        self, encoder: Encoder, references: Mapping[str, Sequence[ObjectRef]], side: int
    ) -> Mapping[str, Embeddings]:
        """Embeddings (n, dim) of each product's references at `side` px, longer side. Raises Transient where the bucket is
        away; a reference that is gone or cannot be read is left out."""
        keys = {ref: (ref.bucket, ref.key, side, encoder.sha256) for refs in references.values() for ref in refs}
        self._make({ref: key for ref, key in keys.items() if key not in self._kept}, encoder, side)
        found: dict[str, Embeddings] = {}
        for sku, refs in references.items():
            vectors = [vector for ref in refs if (vector := self._kept[keys[ref]]) is not None]
            if vectors:
                found[sku] = np.stack(vectors)
        for key in keys.values():
            self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return found

    def _make(self, missing: Mapping[ObjectRef, _Key], encoder: Encoder, side: int) -> None:
        views = {ref: view for ref in missing if (view := self._view(ref, side)) is not None}
        self._kept.update(dict.fromkeys(missing.values()))
        if views:
            embedded = encoder.embed(list(views.values()))
            self._kept.update({missing[ref]: vector for ref, vector in zip(views, embedded, strict=True)})

    def _view(self, ref: ObjectRef, side: int) -> Image | None:
        try:
            image = self._pixels(ref)
        except Permanent:  # enrolling and embedding tell people about it; here it is merely no help
            return None
        by = min(1.0, side / max(image.shape[:2]))
        size = max(1, round(image.shape[1] * by)), max(1, round(image.shape[0] * by))
        return np.asarray(Pillow.fromarray(image).resize(size, Pillow.Resampling.BOX))
