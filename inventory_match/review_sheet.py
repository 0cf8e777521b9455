"""Sightings as pictures, for whoever answers them: a question with its candidates' references beside it, groups in rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from inventory_match import tiles
from inventory_match.db import catalog, sightings

if TYPE_CHECKING:
    from PIL import Image
    from sqlalchemy.orm import Session

    from inventory_match.review_queue import Group, Question

SHOWN_OF_A_GROUP = 8
"""Members drawn in a row of the contact sheet: the centre, then the nearest to it."""


def question_sheet(session: Session, look: tiles.Look, asked: Sequence[Question]) -> Image.Image:
    """A row a question: the crop, then the nearest reference of each candidate. What is gone is drawn as missing."""
    rows = []
    for question in asked:
        kept = question.kept
        stands_for = f", stands for {len(question.group.sightings)}" if question.group else ""
        crop = tiles.Tile(
            tiles.crop_or_none(look, kept), f"sighting {kept.id}{stands_for}", f"{kept.outcome}", tiles.ASKED
        )
        rows.append(tiles.Row([crop, *_candidates(session, look, kept)], kept.rule))
    return tiles.sheet(rows, "What is this?")


def group_sheet(session: Session, look: tiles.Look, groups: Sequence[Group]) -> Image.Image:
    """A row a group: its centre, then those nearest to it."""
    rows = []
    for group in groups:
        members = sightings.find(session, group.sightings[:SHOWN_OF_A_GROUP])
        shown = [
            tiles.Tile(tiles.crop_or_none(look, kept), f"sighting {kept.id}", kept.store or "") for kept in members
        ]
        title = f"group {group.name}: {len(group.sightings)} sightings in {', '.join(group.stores)}"
        rows.append(tiles.Row(shown, title))
    return tiles.sheet(rows, "Unknown products that look alike")


def _candidates(session: Session, look: tiles.Look, kept: sightings.Kept) -> list[tiles.Tile]:
    """The nearest reference of each candidate, in the order the sighting has them."""
    if kept.encoder is None or kept.vector is None:
        return []
    skus = [candidate.sku for candidate in kept.candidates]
    found = catalog.nearest_references(session, kept.encoder, kept.vector, len(skus), skus=skus, best_of_each=True)
    best = {one.sku: one for one in found}
    return [
        tiles.Tile(tiles.picture(look, best[one.sku].ref), best[one.sku].name, f"{one.sku}  {one.similarity:.3f}")
        for one in kept.candidates
        if one.sku in best
    ]
