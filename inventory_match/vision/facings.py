"""The regions of a shelf photo whose camera has no fixed ones: what the finder saw, and the places that are remembered.

The catalog is asked what a found box shows unless it is too dark, blown out or blurred; that it looks plain does not make it
empty, as packs may be plain. A place that nothing was found in is judged like a fixed region (`FixedRegions`), among all boxes
and places, because what lies outside them shows what the bare shelf looks like.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING

from inventory_match.domain.photos import WHOLE, Box
from inventory_match.domain.places import Place, meet
from inventory_match.ports import Finder, Region
from inventory_match.vision.detector import FixedRegions
from inventory_match.vision.images import crop

if TYPE_CHECKING:
    from inventory_match.ports import Image


@dataclass(frozen=True, slots=True)
class Facings:
    """Satisfies `ports.Detector`: fixed regions where a camera has them, else what `find` finds and what is remembered."""

    find: Finder
    judge: FixedRegions = field(default_factory=FixedRegions)

    def __call__(self, image: Image, fixed: Sequence[Box], places: Sequence[Place] | None = None) -> list[Region]:
        """Regions of `image`, RGB uint8 (h, w, 3). `places` None: the camera does not look for facings by itself.

        New boxes carry the positions -1, -2 and so on. A photo that shows nothing, of a camera that knows nothing, has no
        region; where it is too dark, blown out or blurred it is one that cannot be assessed.
        """
        if places is None:
            return self.judge(image, fixed)
        found = [one.box for one in sorted(self.find(image), key=lambda one: -one.score)]
        if not found and not places:
            covered = self.judge.obstacle(image)
            return [Region(0, WHOLE, "not_assessable", covered)] if covered else []
        met = meet(found, places)
        new = count(-1, -1)
        seen = [
            self._found(image, next(new) if position is None else position, box)
            for position, box in zip(met, found, strict=True)
        ]
        missed = [place for place in places if place.position not in met]
        judged = self.judge.look(image, [place.box for place in missed], among=found + [each.box for each in places])
        return seen + _remembered(missed, judged)

    def _found(self, image: Image, position: int, box: Box) -> Region:
        covered = self.judge.obstacle(crop(image, box))
        return Region(position, box, "not_assessable" if covered else "candidate", covered)


def _remembered(missed: Sequence[Place], judged: Sequence[Region]) -> list[Region]:
    """Places of products as judged; of something unknown only while it is covered, as it need not be counted."""
    return [
        replace(region, position=place.position, remembered=True)
        for place, region in zip(missed, judged, strict=True)
        if place.sku is not None or region.answer == "not_assessable"
    ]
