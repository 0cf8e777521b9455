"""A closer look at what the first one left open: which known prints are to be seen, and what is too small for its references.

The encoder answers for a crop as a whole, so it is at a loss where the crop is: half a pack, two packs, a pack of which it
knows one packshot. Local features need neither a crop nor many references, only print (`vision/local_features.py`). They are
costly and therefore asked about a few products: all of a small assortment in a close-up, else those that open crops resemble.
What they find corrects the detector too: a box gets the extent of its print, parts of one pack become one, a pack it missed is
added. Where packs are too small to be read, sharp references mislead instead: there the same few products are compared as they
would look from as far away (`vision/far_views.py`). Cameras with fixed regions need none of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from statistics import median
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from inventory_match.db import catalog
from inventory_match.domain.matching import Candidate, Evidence, Outcome, decide
from inventory_match.domain.photos import Box
from inventory_match.domain.printed import Printed, area, overlap, same_place, settle_claims
from inventory_match.ports import Region
from inventory_match.siblings import Crop, siblings

if TYPE_CHECKING:
    from inventory_match import ports
    from inventory_match.db.engine import UnitOfWork
    from inventory_match.domain.matching import Thresholds
    from inventory_match.domain.photos import ObjectRef

    References: TypeAlias = Mapping[str, Sequence[ObjectRef]]

PRODUCTS, REFERENCES_EACH = 40, 2
"""So many products are asked about at most, by so many references each."""
_OF_EACH_CROP = 5
_CLOSE_UP = 12
"""A photo with fewer facings is near enough for print to be read, and a pack overlooked in it weighs much: there all of a small
assortment is looked for."""
_LEGIBLE = 120.0
"""Px, longer side: from here on print can be read; below, references are shrunk to the crop's size instead."""
_SHRUNK, _FAR_SIDES = 0.75, (32, 48, 64, 96)
"""A crop shows less detail than its pixels could hold: lenses and JPEG cost a quarter. Few sizes, so that what was embedded
is used again."""
_WORTH_A_LOOK = 0.5
"""Of the similarity that is accepted: an open crop that resembles no product even so much is no pack of the catalog."""


@dataclass(frozen=True, slots=True)
class Looked:
    """Regions, one embedding per candidate region, shape (candidates, dim), what print says of each region, and how much it
    resembles products from afar (similarity by sku), where that was asked."""

    regions: list[ports.Region]
    embeddings: ports.Embeddings
    printed: Sequence[Printed | None] = ()
    far: Sequence[Mapping[str, float] | None] = ()


@dataclass(frozen=True, slots=True)
class Glass:
    """What a closer look needs: who finds prints, who shrinks references, who embeds and cuts what is new, and how the first
    look decides."""

    prints: ports.Prints
    far_views: ports.FarViews
    encoder: ports.Encoder
    crop: ports.Cropper
    unit_of_work: UnitOfWork
    thresholds: Thresholds
    candidates: int
    search_exactly_below: int


def look_closer(first: Looked, image: ports.Image, store: str | None, glass: Glass) -> Looked:
    """What prints in `image`, and references seen from afar, make of a first look. Nothing is written; one transaction is read
    and closed before the slow part."""
    sides = _sides(first.regions, image)
    with glass.unit_of_work() as session:
        encoder = catalog.encoder_that_saw(session, glass.encoder.sha256)
        found = catalog.nearest(session, encoder, first.embeddings, glass.candidates, store, glass.search_exactly_below)
        alike = encoder.metric == "cosine"
        open_ = left_open(first.embeddings, found, glass.thresholds, alike=alike)
        small = [number for number in open_ if alike and sides[number] < _LEGIBLE]
        legible = [found[number] for number in open_ if number not in small]
        near = len(found) < _CLOSE_UP
        few = catalog.few_products(session, store, PRODUCTS) if near else []
        to_read = catalog.reference_photos(session, few or _resembled(legible), REFERENCES_EACH)
        to_shrink = catalog.reference_photos(session, _resembled([found[n] for n in small]), REFERENCES_EACH)
    far = _from_afar(first, small, sides, to_shrink, glass) if to_shrink else {}
    prints = settle_claims(glass.prints(image, to_read)) if to_read else []
    if not near:  # the product of a named facing was perhaps not asked about, and its varieties answer in its place
        prints = elsewhere(prints, _named(first.regions, found, open_, glass.thresholds))
    looked = _corrected(first, prints, image, glass) if prints else first
    return replace(looked, far=[far.get((one.position, one.box)) for one in looked.regions])


def left_open(
    embeddings: ports.Embeddings, found: Sequence[Sequence[Candidate]], thresholds: Thresholds, *, alike: bool
) -> list[int]:
    """Which crops neither the catalog nor a facing beside them names, of those that resemble something."""
    crops = [
        Crop(vector, one, decide(Evidence(tuple(one)), thresholds))
        for vector, one in zip(embeddings, found, strict=True)
    ]
    told = siblings(crops) if alike else [None] * len(crops)
    return [
        number
        for number, (one, sibling) in enumerate(zip(crops, told, strict=True))
        if one.decision.outcome is not Outcome.MATCHED and sibling is None
        and one.candidates and one.candidates[0].similarity >= _WORTH_A_LOOK * thresholds.accept
    ]  # fmt: skip


def _named(
    regions: Sequence[Region], found: Sequence[Sequence[Candidate]], open_: Sequence[int], thresholds: Thresholds
) -> list[Box]:
    """The boxes of crops that resemble something and are not open."""
    boxes = [one.box for one in regions if one.answer == "candidate"]
    least = _WORTH_A_LOOK * thresholds.accept
    return [
        boxes[number]
        for number, one in enumerate(found)
        if number not in open_ and one and one[0].similarity >= least
    ]  # fmt: skip


def elsewhere(prints: Sequence[tuple[Box, Printed]], named: Sequence[Box]) -> list[tuple[Box, Printed]]:
    """The prints that are not at the place of a named facing."""
    return [(box, said) for box, said in prints if not any(same_place(box, one) for one in named)]


def _sides(regions: Sequence[Region], image: ports.Image) -> list[float]:
    """The longer side of each crop that was embedded, px."""
    height, width = image.shape[:2]
    boxes = [one.box for one in regions if one.answer == "candidate"]
    return [max((box.x1 - box.x0) * width, (box.y1 - box.y0) * height) for box in boxes]


def _from_afar(
    first: Looked, small: Sequence[int], sides: Sequence[float], references: References, glass: Glass
) -> dict[tuple[int, Box], dict[str, float]]:
    """How much each of the small crops resembles the references shrunk to their common size, by position and box."""
    size = _SHRUNK * median(sides[number] for number in small)
    side = max((one for one in _FAR_SIDES if one <= size), default=_FAR_SIDES[0])
    shrunk = glass.far_views(glass.encoder, references, side)
    asked = [one for one in first.regions if one.answer == "candidate"]
    return {
        (asked[number].position, asked[number].box): {
            sku: round(float((vectors @ first.embeddings[number]).max()), 6) for sku, vectors in shrunk.items()
        }
        for number in small
    }


def _resembled(crops: Sequence[Sequence[Candidate]]) -> list[str]:
    """The products that open crops resemble most: every crop's first, then every crop's second, and so on."""
    ranked = (crop[rank].sku for rank in range(_OF_EACH_CROP) for crop in crops if rank < len(crop))
    return list(dict.fromkeys(ranked))[:PRODUCTS]


def _corrected(first: Looked, prints: Sequence[tuple[Box, Printed]], image: ports.Image, glass: Glass) -> Looked:
    """With the regions of the prints; what has another box now goes through the encoder again, all of it in one call."""
    looked = refined(first.regions, prints)
    vectors = iter(first.embeddings)
    kept = {(one.position, one.box): next(vectors) for one in first.regions if one.answer == "candidate"}
    asked = [one for one, _ in looked if one.answer == "candidate"]
    fresh = [one for one in asked if (one.position, one.box) not in kept]
    embedded = glass.encoder.embed([glass.crop(image, one.box) for one in fresh])
    kept |= {(one.position, one.box): vector for one, vector in zip(fresh, embedded, strict=True)}
    embeddings = np.stack([kept[one.position, one.box] for one in asked])
    return Looked([one for one, _ in looked], embeddings, [said for _, said in looked])


def refined(regions: Sequence[Region], prints: Sequence[tuple[Box, Printed]]) -> list[tuple[Region, Printed | None]]:
    """Found regions and prints as one list: each print takes the region that fits it best, its number with it, and stands for
    all others in its place; a print where nothing was found is a new region, numbered below 0 like those of the finder."""
    new = count(min([one.position for one in regions if one.position < 0], default=0) - 1, -1)
    left, made = list(regions), list[tuple[Region, Printed | None]]()
    for box, printed in prints:
        there = [one for one in left if same_place(one.box, box)]
        best = max(there, key=lambda one: _likeness(one.box, box), default=None)
        region = Region(next(new), box) if best is None else replace(best, box=box, answer="candidate", reason=None)
        made.append((region, printed))
        left = [one for one in left if one not in there]
    return [*made, *((one, None) for one in left)]


def _likeness(one: Box, other: Box) -> float:
    """Intersection over union."""
    shared = overlap(one, other)
    return shared / (area(one) + area(other) - shared)
