"""Figures of detection: which found boxes are products, how many products were found, and how precise the surest are.

- matching: the surest detection goes first and takes, of the labelled boxes that are still free, the one it overlaps most,
  from an intersection over union of 0.5 on; so two boxes on one product count once (COCO's way; Lin et al., ECCV 2014).
- recall_at_50: labelled boxes that were taken, of all.
- ap50: the area under precision over recall, detections of all photos in one row from the surest down, precision at each
  recall being the best at that recall or any higher (all-point interpolation, PASCAL VOC since 2010). It punishes what is
  found and not labelled, so it means something only where every product is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inventory_match.catalog_file import PixelBox

IOU = 0.5


@dataclass(frozen=True, slots=True)
class Detection:
    """A box that was found, in pixels, how sure the detector was, the product it was named (None: unknown), and the best
    candidate whatever the thresholds say (None: there was none)."""

    box: PixelBox
    score: float
    sku: str | None = None
    first: str | None = None


@dataclass(frozen=True, slots=True)
class Labelled:
    """A product's true box, in pixels."""

    box: PixelBox
    sku: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A detection and the label it took, None where it took none."""

    detection: Detection
    label: Labelled | None


def overlap(one: PixelBox, other: PixelBox) -> float:
    """Intersection over union, 0..1."""
    wide = min(one.x1, other.x1) - max(one.x0, other.x0)
    high = min(one.y1, other.y1) - max(one.y0, other.y0)
    if wide <= 0 or high <= 0:
        return 0.0
    both = wide * high
    return both / (_area(one) + _area(other) - both)


def match(detections: Sequence[Detection], labels: Sequence[Labelled], least: float = IOU) -> list[Pair]:
    """Each detection of one photo with the label it took, the surest first."""
    free = list(labels)
    pairs = []
    for detection in sorted(detections, key=lambda one: -one.score):
        best = max(free, key=lambda label: overlap(detection.box, label.box), default=None)
        if best is not None and overlap(detection.box, best.box) >= least:
            free.remove(best)
        else:
            best = None
        pairs.append(Pair(detection, best))
    return pairs


def recall(pairs: Sequence[Pair], labels: int) -> float | None:
    """The share of `labels` that were taken; None where there are none."""
    return sum(pair.label is not None for pair in pairs) / labels if labels else None


def average_precision(pairs: Sequence[Pair], labels: int) -> float | None:
    """Of the pairs of all photos; None where there are no labels."""
    if not labels:
        return None
    surest = sorted(pairs, key=lambda pair: -pair.detection.score)
    hits, precisions, taken = 0, [], []
    for asked, pair in enumerate(surest, start=1):
        hits += pair.label is not None
        precisions.append(hits / asked)
        taken.append(pair.label is not None)
    area, best = 0.0, 0.0
    for precision, hit in zip(reversed(precisions), reversed(taken), strict=True):
        best = max(best, precision)
        area += best * hit / labels
    return area


def _area(box: PixelBox) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)
