"""When the print of a pack itself says which product it is: local features that agree on one pose of one reference.

An embedding compares impressions; a dozen details in the right places, in the right colours, are next to a proof. What is
kept here are the rules: which sighting of a print to believe, and which of two that claim the same place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .photos import Box

LEAST_MATCHES, LEAST_AGREEMENT, LEAST_VISIBLE = 12, 0.3, 0.5
"""Below any of these a print is not believed: different details found, likeness in colour (-1..1), share inside the photo."""
CLOSE_CALL = 0.7
"""A rival with this share of the winner's strength leaves the place to people."""
_SAME_PLACE = 0.5
"""Two boxes of which the smaller lies to this share in the other claim the same pack."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A product's print at a place of the photo."""

    sku: str
    box: Box
    matches: int
    agreement: float
    visible: float

    @property
    def strength(self) -> float:
        return self.matches * max(self.agreement, 0.0)

    @property
    def believable(self) -> bool:
        enough = self.matches >= LEAST_MATCHES and self.agreement >= LEAST_AGREEMENT
        return enough and self.visible >= LEAST_VISIBLE


@dataclass(frozen=True, slots=True)
class Printed:
    """What the print at one place says: the product, on what it rests, and the strongest other product that claims the place
    with the share of the winner's strength it has."""

    sku: str
    matches: int
    agreement: float
    rival: str | None = None
    rival_share: float = 0.0

    @property
    def clear(self) -> bool:
        return self.rival_share < CLOSE_CALL

    @property
    def rule(self) -> str:
        """In words, for the sighting's record."""
        said = f"print of {self.sku}: {self.matches} details agree, likeness {self.agreement:.2f}"
        return said if self.rival is None else f"{said}; {self.rival} has {self.rival_share:.0%} of that"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_mapping(cls, kept: Mapping[str, Any]) -> Printed:
        return cls(**kept)


def settle_claims(claims: Sequence[Claim]) -> list[tuple[Box, Printed]]:
    """One print a place: the strongest claim takes it, the others there become its rivals. Strongest place first.

    A pack that is claimed by the same product twice (its logo found once more) rivals nobody.
    """
    places: list[tuple[Claim, list[Claim]]] = []
    for claim in sorted(filter(lambda one: one.believable, claims), key=lambda one: -one.strength):
        holder = next((place for place in places if same_place(place[0].box, claim.box)), None)
        if holder is None:
            places.append((claim, []))
        elif claim.sku != holder[0].sku:
            holder[1].append(claim)
    return [(winner.box, _printed(winner, rivals)) for winner, rivals in places]


def _printed(winner: Claim, rivals: Sequence[Claim]) -> Printed:
    if not rivals:
        return Printed(winner.sku, winner.matches, round(winner.agreement, 4))
    share = round(rivals[0].strength / winner.strength, 4)
    return Printed(winner.sku, winner.matches, round(winner.agreement, 4), rivals[0].sku, share)


def same_place(one: Box, other: Box) -> bool:
    """Whether two boxes mean the same pack: one lies for the greater part inside the other."""
    return overlap(one, other) >= _SAME_PLACE * min(area(one), area(other))


def overlap(one: Box, other: Box) -> float:
    """The area both share."""
    wide = min(one.x1, other.x1) - max(one.x0, other.x0)
    high = min(one.y1, other.y1) - max(one.y0, other.y0)
    return max(wide, 0.0) * max(high, 0.0)


def area(box: Box) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)
