"""Why a sighting was decided as it was: the crop, the references nearest to it, what of the crop carried the similarity to
the best one, and the rule with its thresholds.

All by the encoder that made the sighting's vector, which need not be the one that is active now: the figures of another would
explain another decision. References are those of the products it was decided among, as they are today.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from inventory_match import tiles
from inventory_match.db import catalog, sightings
from inventory_match.domain.errors import Conflict

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    from inventory_match.db.catalog import Encoder, NearReference
    from inventory_match.db.sightings import Kept
    from inventory_match.ports import Image as Pixels
    from inventory_match.vision.weights import EncoderRecord

_COLD, _WARM, _HOT = (np.array(colour, np.float32) for colour in ((13, 17, 23), (219, 109, 0), (255, 236, 160)))
"""The heat map: dark where nothing spoke for the reference, through orange to a light yellow where most did."""

_HEAT = "Bright: what carried more of the similarity than its share of the picture"
_NEAREST = "Nearest references of the products it was decided among, as they are today"


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision and what lies behind it; `references` best first, none where the encoder's vectors were pruned.

    `active`: the encoder serving now, where it is another one than the sighting's; None where it is the same.
    """

    kept: Kept
    encoder: Encoder
    active: Encoder | None
    names: dict[str, str]
    references: list[NearReference]

    @property
    def title(self) -> str:
        """The answer in a few words."""
        sku = self.kept.sku
        return f"{self.kept.outcome}, {self.names.get(sku, sku)}" if sku else str(self.kept.outcome)

    @property
    def lines(self) -> list[str]:
        """The decision in words."""
        kept, thresholds = self.kept, self.kept.thresholds
        said = [f"sighting {kept.id}: {self.title}", f"rule: {kept.rule}"]
        if thresholds is not None:
            said.append(f"thresholds then: accept {thresholds.accept:.3f}, margin {thresholds.margin:.3f}")
        decided = ", ".join(f"{one.sku} {one.similarity:.3f}{' from afar' * one.far}" for one in kept.candidates)
        said.append(f"candidates then: {decided or 'none'}")
        if kept.printed is not None:
            said.append(kept.printed.rule)
        if kept.sibling is not None:
            said.append(kept.sibling.rule)
        if kept.prior is not None:
            expected = ", ".join(sorted(kept.prior.skus)) or "none of them"
            said.append(f"expected there by {kept.prior.source}: {expected}; weight in a tie {kept.prior.weight:.3f}")
        said.append(f"encoder: {_called(self.encoder)}")
        if self.active is not None:
            said.append(f"not the active encoder, which is {_called(self.active)}: its similarities would be others")
        return said

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        kept = self.kept
        return {
            "sighting": kept.id,
            "photo": {"id": kept.photo_id, "bucket": kept.photo.bucket, "key": kept.photo.key},
            "box": [kept.box.x0, kept.box.y0, kept.box.x1, kept.box.y1],
            "outcome": kept.outcome,
            "sku": kept.sku,
            "rule": kept.rule,
            "thresholds": kept.thresholds.as_dict() if kept.thresholds else None,
            "prior": kept.prior.among(kept.candidates) if kept.prior else None,
            "printed": kept.printed.as_dict() if kept.printed else None,
            "sibling": kept.sibling.as_dict() if kept.sibling else None,
            "candidates": [one.as_dict() for one in kept.candidates],
            "encoder": {"name": self.encoder.name, "sha256": self.encoder.sha256, "active": self.active is None},
            "references": [
                {"id": one.id, "sku": one.sku, "name": one.name, "key": one.ref.key, "similarity": one.similarity}
                for one in self.references
            ],
        }


def explain(session: Session, sighting_id: int, count: int) -> Explanation:
    """The decision with the `count` references nearest to the crop, of two products at least where it has two candidates.

    Raises NotFound for an unknown sighting, Conflict for one the catalog was never asked about or whose vector is gone.
    """
    [kept] = sightings.find(session, [sighting_id])
    if kept.encoder is None:
        raise Conflict(f"sighting {kept.id} is {kept.answer}, which no similarity decided: {kept.rule}")
    if kept.vector is None:
        raise Conflict(f"sighting {kept.id}: its photo was let go, and its vector with it; what is left: {kept.rule}")
    active = catalog.active_encoder(session)
    skus = [one.sku for one in kept.candidates]
    names = {one.sku: one.name for one in catalog.list_products(session, {*skus, *filter(None, [kept.sku])})}
    references = catalog.nearest_references(session, kept.encoder, kept.vector, count, skus=skus)
    each = catalog.nearest_references(session, kept.encoder, kept.vector, 2, skus=skus, best_of_each=True)
    if count > 1 and len(each) > 1 and each[1].id not in {one.id for one in references}:
        references = [*references[: count - 1], each[1]]
    return Explanation(kept, kept.encoder, None if active.id == kept.encoder.id else active, names, references)


def draw(found: Explanation, look: tiles.Look, record_of: Callable[[Encoder], EncoderRecord]) -> Image.Image:
    """The explanation on one picture. Raises PhotoSuperseded where the photo is gone, ConfigurationError where the
    encoder's file is."""
    from inventory_match.vision.saliency import Saliency

    crop = tiles.crop(look, found.kept)
    shown = [tiles.Tile(Image.fromarray(crop), "the crop", str(found.kept.outcome), _frame(found, found.kept.sku))]
    compared = _best_of_two(found.references)
    if compared:
        saliency = Saliency(record_of(found.encoder))
        heats = [saliency.heat(crop, one.vector) for one in compared]
        most = max(float(heats[0].max()), 1e-6)  # one scale, so that what hardly speaks for the other stays dark
        for one, heat in zip(compared, heats, strict=True):
            note = f"speaks for it: {one.similarity:.3f}"
            shown.append(tiles.Tile(_lit(crop, (heat / most).clip(0, 1)), one.name, note))
    nearest = [
        tiles.Tile(tiles.picture(look, one.ref), one.name, f"{one.sku}  {one.similarity:.3f}", _frame(found, one.sku))
        for one in found.references
    ]
    rows = [tiles.Row(shown, _HEAT), tiles.Row(nearest, _NEAREST)]
    return tiles.sheet(rows if nearest else rows[:1], f"Sighting {found.kept.id}: {found.title}", found.lines[1:])


def _best_of_two(references: list[NearReference]) -> list[NearReference]:
    """The nearest reference, and the nearest one of another product."""
    other = next((one for one in references if one.sku != references[0].sku), None)
    return [*references[:1], *([other] if other else [])]


def _frame(found: Explanation, sku: str | None) -> tiles.Colour | None:
    """Green around what the decision named, orange around a crop that it named nothing for."""
    if found.kept.sku is None:
        return tiles.ASKED if sku is None else None
    return tiles.AGREED if sku == found.kept.sku else None


def _lit(crop: Pixels, heat: NDArray[np.float32]) -> Image.Image:
    """The crop dimmed, and as bright and warm as `heat`, shape (h, w), is high."""
    light = heat[..., None]
    glow = np.where(light < 0.5, _COLD + (_WARM - _COLD) * light * 2, _WARM + (_HOT - _WARM) * (light * 2 - 1))
    mixed = crop * (0.3 + 0.5 * light) + glow * (0.1 + 0.4 * light)
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))


def _called(encoder: Encoder) -> str:
    return f"{encoder.name}, sha256 {encoder.sha256[:12]}"
