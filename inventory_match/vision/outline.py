"""Where things begin and end in a photo: a grey picture of 96 x 72 px, and how well two of them agree.

Agreement is the mean of two correlations, of local contrast and of edges, so that light and exposure do not matter; the best
over shifts of 2 %, because mounts give. An all but bare shelf has little but its boards left, so of it only the heights of
edges are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from PIL import Image as Pillow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inventory_match.ports import Image, Outline

    Floats: TypeAlias = NDArray[np.float32]

SIZE = (96, 72)
"""Width and height, px."""
SHIFT = 2
"""Px by which a view may be off, either way."""
BARE = 0.4
"""Below this share of the usual amount of edges a view is of a shelf with next to nothing on it."""
_ROUGH = (3, 3)
"""The light in a photo is what is left of it at this size."""


def outline(image: Image) -> Outline:
    """Of RGB uint8 (h, w, 3): luma, uint8 of shape (72, 96)."""
    return np.asarray(Pillow.fromarray(image).convert("L").resize(SIZE, Pillow.Resampling.BOX))


def agreement(view: Outline, usual: Sequence[Outline]) -> float:
    """How far the view has the layout of at least one usual one, -1..1; 1: the same picture, about 0: another one."""
    grey, before = _levelled(view), [_levelled(one) for one in usual]
    if _edges(grey).mean() < BARE * np.mean([_edges(one).mean() for one in before]):
        return _likeness(grey, before, _heights)
    return (_likeness(grey, before, _contrast) + _likeness(grey, before, _edges)) / 2


def _likeness(view: Floats, usual: Sequence[Floats], of: Callable[[Floats], Floats]) -> float:
    """The best correlation of what is measured on the view with its mean over the usual ones."""
    mean = _unit(np.mean([_unit(of(one)) for one in usual], axis=0))
    seen = _unit(of(view))
    sideways = range(-SHIFT, SHIFT + 1) if mean.shape[1] > 1 else (0,)
    return max(
        float((np.roll(seen, (down, aside), axis=(0, 1)) * mean).sum())
        for down in range(-SHIFT, SHIFT + 1)
        for aside in sideways
    )


def _levelled(view: Outline) -> Floats:
    """In shares of its own brightness; a black picture is taken for one of a single grey level."""
    grey = view.astype(np.float32)
    return grey / max(float(grey.mean()), 1.0)


def _contrast(grey: Floats) -> Floats:
    rough = Pillow.fromarray(grey).resize(_ROUGH, Pillow.Resampling.BOX).resize(SIZE, Pillow.Resampling.BICUBIC)
    return np.clip(grey - np.asarray(rough, np.float32), -1, 1)


def _edges(grey: Floats) -> Floats:
    down, across = np.gradient(grey)
    steps: Floats = np.hypot(down, across)
    return steps


def _heights(grey: Floats) -> Floats:
    """How much changes from line to line, shape (71, 1): boards and rails, whatever stands on them."""
    lines: Floats = np.abs(np.diff(grey, axis=0)).mean(axis=1, keepdims=True)
    return lines


def _unit(values: Floats) -> Floats:
    centred: Floats = values - values.mean()
    length = float(np.linalg.norm(centred))
    return centred / length if length > 1e-6 else centred
