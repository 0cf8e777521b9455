"""Where products may stand, where that is known beforehand: one box a facing, or the whole photo; `facings` finds them.

Each place is measured on a small copy of its middle, which neighbours, noise and the camera's pixel count hardly touch:

- an empty place shows the shelf: few edges *and* little contrast, both relative to its own brightness, so that the same
  shelf is empty in the morning and under lamps. On rendered shelves, dim and noisy ones included, empty places have an
  edge share up to 0.02 and a contrast up to 0.06, packs from 0.6 and 0.23 on; the limits sit well away from both. What
  is in between (half a pack, a sleeve) is a candidate: asking the catalog in vain costs less than an invented void;
- a place that is too dark, blown out, or blurred although it has contrast shows nothing one could count on: not
  assessable, with the figure. A lens cap therefore never means "sold out".
- a place that looks empty but shows neither the edge of its shelf nor the background seen beside the places
  (`surroundings`) is covered by something plain, such as a coat: not assessable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as Pillow

from inventory_match.domain.photos import WHOLE, Box
from inventory_match.ports import Region
from inventory_match.vision.images import crop
from inventory_match.vision.surroundings import background, difference, shelf_edge

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inventory_match.ports import Image

_SMALL, _FINE = (24, 32), (48, 64)
"""Width and height, px, at which edges and contrast are measured, out of reach of noise, and at which focus is."""
_EDGE = 0.12
"""A step between neighbouring pixels counts as an edge from this share of the place's brightness on."""


@dataclass(frozen=True, slots=True)
class Texture:
    """What a place looks like: mean brightness 0..255, share of blown-out pixels 0..1, contrast (standard deviation
    over brightness), share of pixels at an edge 0..1, focus (fine detail over contrast; below 0.1 illegible)."""

    brightness: float
    blown: float
    contrast: float
    edges: float
    focus: float


def texture(image: Image) -> Texture:
    """Measures an RGB uint8 array (h, w, 3), leaving out a margin of 12 % (top, bottom) and 15 % (sides)."""
    middle = crop(image, Box(0.15, 0.12, 0.85, 0.88))
    small, fine = (
        np.asarray(Pillow.fromarray(middle).resize(size, Pillow.Resampling.BOX), np.float32) for size in (_SMALL, _FINE)
    )
    grey = fine.mean(axis=2)
    level = max(float(grey.mean()), 8.0)  # below this a step of one grey value would count as an edge
    across = np.abs(np.diff(small, axis=1)).max(axis=2)[:-1]
    down = np.abs(np.diff(small, axis=0)).max(axis=2)[:, :-1]
    detail = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    return Texture(
        brightness=float(grey.mean()),
        blown=float((small.min(axis=2) >= 250).mean()),
        contrast=float(small.std(axis=(0, 1)).mean()) / level,
        edges=float((np.maximum(across, down) > _EDGE * level).mean()),
        focus=float(detail.std()) / max(float(grey.std()), 1.0),
    )


@dataclass(frozen=True, slots=True)
class FixedRegions:
    """Judges boxes in which something may stand: one region a box, its position being the box's place in the list.

    `void_edges`, `void_contrast`: below both a place looks empty; it is, where a shelf edge of at least `min_shelf_edge`
    runs along it or its colour is within `max_difference` of the background. `min_brightness`, `max_blown`, `min_focus`:
    past any of them it is not assessable; focus is judged only where there is contrast, as an empty shelf has nothing to
    be sharp.
    """

    void_edges: float = 0.08
    void_contrast: float = 0.1
    min_brightness: float = 12.0
    max_blown: float = 0.7
    min_focus: float = 0.12
    min_shelf_edge: float = 0.25
    max_difference: float = 0.25

    def __call__(self, image: Image, fixed: Sequence[Box]) -> list[Region]:
        """Regions of `image`, RGB uint8 (h, w, 3); without fixed boxes the whole photo, void only if it is blank."""
        return self.look(image, fixed, among=fixed) if fixed else [self._whole(image)]

    def look(self, image: Image, boxes: Sequence[Box], among: Sequence[Box]) -> list[Region]:
        """What each of `boxes` shows; `among`: all boxes in which something may stand, outside of which lies the bare shelf."""
        regions = [self._place(position, box, texture(crop(image, box))) for position, box in enumerate(boxes)]
        beside = background(image, among)
        return [self._believed(image, region, beside) if region.answer == "void" else region for region in regions]

    def _believed(self, image: Image, void: Region, beside: NDArray[np.float32] | None) -> Region:
        """An empty-looking place as it is, or not assessable where nothing shows that it is the shelf one sees."""
        edge = shelf_edge(image, void.box)
        if edge is not None and edge >= self.min_shelf_edge:
            return void
        if beside is not None and difference(crop(image, void.box), beside) <= self.max_difference:
            return void
        if edge is None and beside is None:
            return void
        return Region(
            void.position, void.box, "not_assessable", "covered: plain, and neither shelf edge nor background"
        )

    def _whole(self, image: Image) -> Region:
        """A photo of one product has no shelf to be empty: only a blank one (a tenth of the limits) is void."""
        seen = texture(image)
        blank = seen.edges < self.void_edges / 10 and seen.contrast < self.void_contrast / 10
        return Region(0, WHOLE, "void" if blank else "candidate")

    def _place(self, position: int, box: Box, seen: Texture) -> Region:
        if reason := self._obstacle_in(seen):
            return Region(position, box, "not_assessable", reason)
        empty = seen.edges < self.void_edges and seen.contrast < self.void_contrast
        return Region(position, box, "void" if empty else "candidate")

    def obstacle(self, image: Image) -> str | None:
        """Why nothing can be told from an image, or a part of one: too dark, blown out or blurred; None where it can."""
        return self._obstacle_in(texture(image))

    def _obstacle_in(self, seen: Texture) -> str | None:
        if seen.brightness < self.min_brightness:
            return f"too dark: brightness {seen.brightness:.1f} is below {self.min_brightness:.1f}"
        if seen.blown > self.max_blown:
            return f"blown out: {seen.blown:.0%} of it is above {self.max_blown:.0%}"
        if seen.contrast >= self.void_contrast and seen.focus < self.min_focus:
            return f"too blurred: focus {seen.focus:.2f} is below {self.min_focus:.2f}"
        return None
