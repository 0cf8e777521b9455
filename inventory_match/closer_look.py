"""A closer look at what the first one left open: which known prints are to be seen, and where exactly those packs end.

The encoder answers for a crop as a whole, so it is at a loss where the crop is: half a pack, two packs, a pack of which
it knows one packshot. Local features need neither a crop nor many references, only print (`vision/local_features.py`). They are
costly and are therefore asked about a few products only: all of a small assortment, or those the open crops resemble most.
What they find corrects the detector too: a box gets the extent of its print, parts of one pack become one, a pack it missed is
added. Cameras with fixed regions need none of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

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

PRODUCTS, REFERENCES_EACH = 40, 2
"""So many products are asked about at most, by so many references each."""
_OF_EACH_CROP = 5
_CLOSE_UP = 12
"""A photo with fewer facings is near enough for print to be read, and a pack overlooked in it weighs much: there all of a small
assortment is looked for."""
_WORTH_A_LOOK = 0.5
"""Of the similarity that is accepted: an open crop that resembles no product even so much is no pack of the catalog."""


@dataclass(frozen=True, slots=True)
class Looked:
    """Regions, one embedding per candidate region, shape (candidates, dim), and what print says of each region."""

    regions: list[ports.Region]
    embeddings: ports.Embeddings
    printed: Sequence[Printed | None] = ()


@dataclass(frozen=True, slots=True)
class Glass:
    """What a closer look needs: who finds prints, who embeds and cuts what is new, and how the first look decides."""

    prints: ports.Prints
    encoder: ports.Encoder
    crop: ports.Cropper
    unit_of_work: UnitOfWork
    thresholds: Thresholds
    candidates: int
    search_exactly_below: int


def look_closer(first: Looked, image: ports.Image, store: str | None, glass: Glass) -> Looked:
    """What the prints in `image` make of a first look. Nothing is written; one transaction is read and closed before the
    slow part."""
    with glass.unit_of_work() as session:
        encoder = catalog.encoder_that_saw(session, glass.encoder.sha256)
        found = catalog.nearest(session, encoder, first.embeddings, glass.candidates, store, glass.search_exactly_below)
        open_ = left_open(first.embeddings, found, glass.thresholds, alike=encoder.metric == "cosine")
        near = len(found) < _CLOSE_UP
        if not open_ and not near:
            return first
        few = catalog.few_products(session, store, PRODUCTS) if near else []
        references = catalog.reference_photos(session, few or _resembled(open_), REFERENCES_EACH)
    prints = settle_claims(glass.prints(image, references))
    return _corrected(first, prints, image, glass) if prints else first


def left_open(
    embeddings: ports.Embeddings, found: Sequence[Sequence[Candidate]], thresholds: Thresholds, *, alike: bool
) -> list[Sequence[Candidate]]:
    """The candidates of crops that neither the catalog nor a facing beside them names, and that resemble something."""
    crops = [
        Crop(vector, one, decide(Evidence(tuple(one)), thresholds))
        for vector, one in zip(embeddings, found, strict=True)
    ]
    told = siblings(crops) if alike else [None] * len(crops)
    return [
        one.candidates
        for one, sibling in zip(crops, told, strict=True)
        if one.decision.outcome is not Outcome.MATCHED and sibling is None
        and one.candidates and one.candidates[0].similarity >= _WORTH_A_LOOK * thresholds.accept
    ]  # fmt: skip


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
