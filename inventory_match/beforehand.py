"""What is known of a shelf before one looks, and what a look says to it.

Known is the plan in force, the camera's own or its location's; without one, what usually stands there, learned from the
camera's earlier photos. It is asked once a photo: its products help to decide ties (`domain.matching`), and its facings are
laid beside those that were seen (`domain.compliance`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from inventory_match.db import planograms
from inventory_match.db.planograms import Shelf, View
from inventory_match.domain.compliance import compare
from inventory_match.domain.matching import Prior
from inventory_match.domain.planogram import Expected, expected, usual
from inventory_match.domain.rows import row_of_location

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from inventory_match.db.photos import Claimed
    from inventory_match.domain.matching import Thresholds

USUAL = "usual"


@dataclass(frozen=True, slots=True)
class Known:
    """The facings expected in one camera's view, by the plan of this id or, where it is None, by habit."""

    view: View
    planogram_id: int | None
    expected: tuple[Expected, ...]

    def prior(self, thresholds: Thresholds, margins: float) -> Prior | None:
        """For `decide`: what is expected weighs so many margins; None where nothing is expected."""
        if not self.expected:
            return None
        source = USUAL if self.planogram_id is None else f"planogram {self.planogram_id}"
        return Prior(frozenset(one.sku for one in self.expected), margins * thresholds.margin, source)


def of_photo(session: Session, photo: Claimed, at: datetime) -> Known:
    """What is known of the shelf on a photo taken `at`; nothing of a photo that shows no shelf."""
    view = View(Shelf(photo.store, photo.location, photo.camera), photo.id, at, photo.rows)
    if photo.kind != "shelf":
        return Known(view, None, ())
    planograms.keep_as_they_are(session)
    return known(session, view)


def known(session: Session, view: View) -> Known:
    """The plan in force now, or what was usual when the photo was taken."""
    plan = planograms.in_force(session, view.shelf)
    if plan is None:
        return Known(view, None, usual(planograms.history(session, view)))
    facings = expected(plan.plan)
    if plan.shelf.camera is not None:  # its rows are those that the camera sees, counted from its own first one
        return Known(view, plan.id, tuple(replace(one, row=row_of_location(one.row, view.rows)) for one in facings))
    return Known(view, plan.id, tuple(one for one in facings if not view.rows or one.row in view.rows))


def judge(session: Session, what: Known) -> None:
    """Lays the facings of the photo, which are saved, beside what was expected, and saves the verdicts. Where nothing is
    expected there are none: not everything is too much on a shelf that nobody knows yet."""
    seen = planograms.seen(session, what.view.photo_id)
    judged = compare(what.expected, seen) if what.expected and seen else []
    planograms.save_verdicts(session, what.view.photo_id, what.planogram_id, judged)


def judge_again(session: Session, views: Iterable[View]) -> int:
    """Judges photos by what is known now, as after a plan was applied or removed; returns how many."""
    judged = [known(session, view) for view in views]
    for each in judged:
        judge(session, each)
    return len(judged)
