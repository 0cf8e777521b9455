"""Confusions to look at: a row each, the photo asked about, what it was taken for, and what it should have been."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image as Pillow

from inventory_match import tiles

if TYPE_CHECKING:
    from inventory_match.learning.breakdown import Confusion
    from inventory_match.learning.labelled import Labelled
    from inventory_match.learning.report import Mistake
    from inventory_match.ports import Decoder


def contact_sheet(mistakes: Sequence[Mistake], decode: Decoder) -> Pillow.Image:
    """One row for each of the mistakes. Raises InvalidInput for a photo nobody can read."""
    return tiles.sheet([_row(mistake, decode) for mistake in mistakes], "Most frequent confusions")


def _row(mistake: Mistake, decode: Decoder) -> tiles.Row:
    shown = [_tile(mistake.query, "photo of", decode, tiles.ASKED), _tile(mistake.wrong, "taken for", decode)]
    if mistake.right is not None:
        shown.append(_tile(mistake.right, "should have been", decode, tiles.AGREED))
    return tiles.Row(shown, _told(mistake.confusion))


def _told(confusion: Confusion) -> str:
    """What happened how often; only known products are also counted where a person was asked."""
    photos = f"{confusion.count} photo{'' if confusion.count == 1 else 's'}"
    if confusion.truth is None:
        return f"not in the catalog, taken for {confusion.taken_for}: {photos}"
    return f"{confusion.truth} most like {confusion.taken_for}: {photos}, {confusion.matched} of them decided so"


def _tile(photo: Labelled, caption: str, decode: Decoder, frame: tiles.Colour | None = None) -> tiles.Tile:
    return tiles.Tile(Pillow.fromarray(photo.pixels(decode)), f"{caption} {photo.sku}", photo.row.image, frame)
