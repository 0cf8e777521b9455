"""Several cameras at one location: of each shelf row the newest view that could be assessed, put together into one look.

Views that overlap are never added up, and a row that no newer view shows keeps the older one. So a product is counted over the
rows of a location as each was last seen, and is hidden where any of those rows hides it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from .counting import Answer, RegionSeen


@dataclass(frozen=True, slots=True)
class RowView:
    """One row of a location as one camera saw it at one moment. `belongs`: position to the product last confirmed there."""

    row: int
    camera: str
    at: datetime
    seen: tuple[RegionSeen, ...]
    belongs: Mapping[int, str]

    @property
    def assessed(self) -> bool:
        return any(one.answer is not Answer.NOT_ASSESSABLE for one in self.seen)

    @property
    def about(self) -> set[str]:
        """Products that are shown in the row, or belong there."""
        shown = {one.sku for one in self.seen if one.sku is not None}
        return shown | {self.belongs[one.position] for one in self.seen if one.position in self.belongs}


@dataclass(frozen=True, slots=True)
class Fused:
    """A location as it was last seen, its regions numbered anew.

    `about`: products a new photo says something of, each with the time of the newest view its count rests on.
    """

    seen: tuple[RegionSeen, ...]
    belongs: Mapping[int, str]
    about: Mapping[str, datetime]


def fuse(own: Sequence[RowView], others: Sequence[RowView]) -> Fused:
    """`own`: the rows of the photo that is being counted; `others`: those of the location's other newest views."""
    at = max(view.at for view in own)
    standing: list[RowView] = []
    told: set[str] = set()
    for row in sorted({view.row for view in [*own, *others]}):
        views = [view for view in [*own, *others] if view.row == row]
        newest = max(views, key=lambda view: (view.assessed, view.at, view.camera))
        standing.append(newest)
        if any(newest is mine for mine in own):
            told.update(*(view.about for view in views))
    numbered = [(view, one) for view in standing for one in view.seen]
    return Fused(
        tuple(RegionSeen(i, one.answer, one.sku) for i, (_, one) in enumerate(numbered)),
        {i: view.belongs[one.position] for i, (view, one) in enumerate(numbered) if one.position in view.belongs},
        {sku: max([at, *(view.at for view in standing if sku in view.about)]) for sku in told},
    )


def homeless_to_judge(believed: Mapping[str, str], owners: Collection[str], camera: str) -> set[str]:
    """Products believed to stand at the location without a region of their own that this camera may say are gone.

    `believed`: product to the camera that counted it last, the only one known to look where it was.
    """
    return {sku for sku, counted_by in believed.items() if sku not in owners and counted_by == camera}
