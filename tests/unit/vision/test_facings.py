"""Regions of a shelf photo from what was found and what is remembered: who is asked, who is judged, who is left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest

from inventory_match.domain.photos import WHOLE, Box
from inventory_match.domain.places import Place
from inventory_match.ports import Found
from inventory_match.vision.facings import Facings

if TYPE_CHECKING:
    from inventory_match.ports import Image

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
LEFT, MIDDLE, RIGHT = Box(0.1, 0.2, 0.3, 0.6), Box(0.4, 0.2, 0.6, 0.6), Box(0.7, 0.2, 0.9, 0.6)


@dataclass
class Told:
    """Satisfies `ports.Finder`."""

    boxes: list[Box] = field(default_factory=list)
    asked: int = 0

    def __call__(self, image: Image) -> list[Found]:
        assert image.ndim == 3
        self.asked += 1
        return [Found(box, 0.5 + i / 10) for i, box in enumerate(self.boxes)]


def shelf(*shown: tuple[Box, str]) -> Image:
    """A grey wall over a dark board; `pack`: striped, `plain`: one colour unlike the wall's, `coat`: one over the board too."""
    image = np.full((200, 400, 3), 130, np.uint8)
    image[120:132] = 30
    for box, what in shown:
        left, top, right, bottom = box.pixels(400, 200)
        if what == "coat":
            image[:, left - 10 : right + 10] = (60, 30, 30)
        elif what == "dark":
            image[top:bottom, left:right] = 2
        else:
            image[top:bottom, left:right] = (150, 60, 20)
            image[top : bottom if what == "pack" else top : 8, left:right] = 20
    return image


def place(position: int, box: Box, sku: str | None = "A") -> Place:
    return Place(position, box, sku, AT)


def looked(image: Image, found: list[Box], places: list[Place]) -> list[tuple[int, str, bool]]:
    return [(one.position, one.answer, one.remembered) for one in Facings(Told(found))(image, (), places)]


def test_a_camera_with_regions_never_asks_the_finder() -> None:
    finder = Told([LEFT])
    [region] = Facings(finder)(shelf((MIDDLE, "pack")), [MIDDLE])
    assert (region.position, region.answer, finder.asked) == (0, "candidate", 0)


def test_found_boxes_are_asked_about_however_plain_they_look() -> None:
    image = shelf((LEFT, "pack"), (RIGHT, "plain"))
    assert looked(image, [LEFT, RIGHT], []) == [(-1, "candidate", False), (-2, "candidate", False)]


def test_a_found_box_that_shows_nothing_cannot_be_assessed() -> None:
    [region] = Facings(Told([LEFT]))(shelf((LEFT, "dark")), (), [])
    assert region.answer == "not_assessable"
    assert region.reason is not None
    assert region.reason.startswith("too dark")


def test_places_keep_their_numbers_and_those_that_were_missed_are_judged() -> None:
    image = shelf((LEFT, "pack"), (RIGHT, "pack"))
    places = [place(4, LEFT), place(7, MIDDLE), place(9, RIGHT)]
    assert looked(image, [LEFT], places) == [(4, "candidate", False), (7, "void", True), (9, "candidate", True)]


def test_a_place_behind_a_plain_coat_is_covered_and_not_empty() -> None:
    assert looked(shelf((MIDDLE, "coat")), [], [place(7, MIDDLE)]) == [(7, "not_assessable", True)]


def test_the_bare_shelf_is_what_lies_outside_all_boxes_found_ones_too() -> None:
    """Without a board's edge to go by, an empty place is believed where it looks like the shelf beside the packs."""
    image = np.full((200, 400, 3), 130, np.uint8)
    image[:, :260] = (150, 60, 20)
    many = Box(0.0, 0.0, 0.65, 1.0)
    assert looked(image, [many], [place(7, RIGHT)]) == [(-1, "candidate", False), (7, "void", True)]


@pytest.mark.parametrize(("shown", "left"), [("pack", []), ("coat", [(7, "not_assessable", True)])])
def test_a_place_of_something_unknown_is_looked_at_only_while_it_is_covered(
    shown: str, left: list[tuple[int, str, bool]]
) -> None:
    assert looked(shelf((MIDDLE, shown)), [], [place(7, MIDDLE, None)]) == left


def test_a_photo_of_nothing_by_a_camera_that_knows_nothing_is_no_region_unless_it_is_covered() -> None:
    assert looked(shelf(), [], []) == []
    black = np.full((200, 400, 3), 2, np.uint8)
    [region] = Facings(Told())(black, (), [])
    assert (region.box, region.answer) == (WHOLE, "not_assessable")
