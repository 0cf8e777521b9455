"""Known prints in a photo: the local features of references are made once a process and kept, those of the photo once a
look."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from inventory_match.domain.errors import Permanent
from inventory_match.domain.printed import Claim
from inventory_match.vision import local_features

if TYPE_CHECKING:
    from inventory_match.domain.photos import ObjectRef
    from inventory_match.ports import Image
    from inventory_match.vision.local_features import LocalFeatures

KEPT = 400
"""References whose features stay in memory: about half a MiB each at most."""


class KnownPrints:
    """Satisfies `ports.Prints`. `pixels` fetches a reference as RGB uint8 (h, w, 3)."""

    def __init__(self, pixels: Callable[[ObjectRef], Image], kept: int = KEPT) -> None:
        self._pixels, self._most = pixels, kept
        self._kept: OrderedDict[tuple[str, str], LocalFeatures | None] = OrderedDict()

    def __call__(self, image: Image, references: Mapping[str, Sequence[ObjectRef]]) -> list[Claim]:
        """Every place of `image` where a reference of these products is seen again. Raises Transient where the bucket is
        away; a reference that is gone or cannot be read claims nothing."""
        photo = local_features.of_photo(image)
        known = ((sku, features) for sku, refs in references.items() for features in map(self._features, refs))
        return [
            Claim(sku, one.box, one.matches, one.agreement, one.visible)
            for sku, features in known
            if features is not None
            for one in local_features.instances(photo, features)
        ]

    def _features(self, ref: ObjectRef) -> LocalFeatures | None:
        key = (ref.bucket, ref.key)
        if key not in self._kept:
            try:
                self._kept[key] = local_features.of_reference(self._pixels(ref))
            except Permanent:  # enrolling and embedding tell people about it; here it is merely no help
                self._kept[key] = None
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]
