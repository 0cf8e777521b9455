"""What an open crop learns from a facing of the same photo that was named: equal packs, under the same lamp and lens, look
alike to the encoder, far more than either does to a packshot taken elsewhere.

A sibling only confirms what the catalog itself puts first: it never names a product the crop resembles less than another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

LEAST_SIBLING = 0.9
"""Cosine similarity from which two crops of one photo show equal packs. Equal packs of rendered shelves have 0.97 and more,
different ones 0.79 and less; equal ones in photos of homes have 0.88 in the median."""


@dataclass(frozen=True, slots=True)
class Sibling:
    """A facing of the same photo that was named `sku` by its own similarity to the catalog (`known_by`), and how much the crop
    in question resembles it."""

    sku: str
    similarity: float
    known_by: float

    @property
    def rule(self) -> str:
        """In words, for the sighting's record."""
        return f"like a facing beside it ({self.similarity:.3f}) that was known as {self.sku} by {self.known_by:.3f}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_mapping(cls, kept: Mapping[str, Any]) -> Sibling:
        return cls(**kept)
