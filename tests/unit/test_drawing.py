"""Photos with their sightings drawn on: what stands where, in which colour, and no words over other words."""

from __future__ import annotations

from io import BytesIO
from itertools import combinations

import pytest
from PIL import Image

from inventory_match.domain.photos import Box
from inventory_match.drawing import COLOURS, Mark, annotate
from inventory_match.labelling import Rect, fitted, place

GREY = (128, 128, 128)


def photo(width: int, height: int) -> bytes:
    out = BytesIO()
    Image.new("RGB", (width, height), GREY).save(out, "PNG")
    return out.getvalue()


def shares_pixels(one: Rect, other: Rect) -> bool:
    return max(one[0], other[0]) < min(one[2], other[2]) and max(one[1], other[1]) < min(one[3], other[3])


def test_no_label_of_a_dense_shelf_covers_another_and_each_lies_in_its_own_box() -> None:
    """85 facings whose boxes reach a third into their neighbours."""
    boxes = [(100 * column, 200 * row, 100 * column + 133, 200 * row + 180) for row in range(5) for column in range(17)]

    places = place(boxes, [(130, 40)] * len(boxes))

    found = [one for one in places if one is not None]
    assert len(found) == 85
    assert not any(shares_pixels(one, other) for one, other in combinations(found, 2))
    for (left, top, right, bottom), (x0, y0, x1, y1) in zip(found, boxes, strict=True):
        assert x0 <= left < right <= x1
        assert y0 <= top < bottom <= y1


def test_a_label_without_room_is_left_out() -> None:
    assert place([(0, 0, 100, 30)] * 3, [(80, 20)] * 3) == [(0, 0, 80, 20), None, None]


def test_a_label_is_cut_to_a_box_that_is_smaller() -> None:
    assert place([(5, 5, 15, 10)], [(80, 20)]) == [(5, 5, 15, 10)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two three", ["one two", "three"]),
        ("one", ["one"]),
        ("one two three four five six", ["one two", "three…"]),
        ("unbreakable", ["unbrea…"]),
    ],
)
def test_words_are_broken_to_the_width_and_cut_at_the_end(text: str, lines: list[str]) -> None:
    assert fitted(text, 7, 2, len) == lines


@pytest.mark.parametrize("decision", COLOURS)
def test_a_box_is_framed_in_the_colour_of_its_decision(decision: str) -> None:
    drawn = annotate(photo(400, 200), [Mark(Box(0.5, 0.1, 1, 0.9), decision)])
    assert drawn.size == (400, 200)
    assert drawn.getpixel((399, 150)) == COLOURS[decision]
    assert drawn.getpixel((100, 100)) == GREY


def test_narrow_facings_are_enlarged_until_words_fit() -> None:
    marks = [Mark(Box(x / 20, 0, (x + 1) / 20, 1), "product", "Cola") for x in range(20)]
    drawn = annotate(photo(800, 100), marks)
    assert drawn.width / 20 == pytest.approx(104, abs=1)
    assert drawn.height / drawn.width == pytest.approx(100 / 800, abs=0.002)


def test_rows_are_numbered_in_a_margin_and_the_title_stands_above_a_legend() -> None:
    marks = [Mark(Box(0, 0, 1, 0.5), "product", "A", 0.9, row=1), Mark(Box(0, 0.5, 1, 1), "void", "B", row=2)]
    plain, full = annotate(photo(300, 200), marks), annotate(photo(300, 200), marks, "photo 7, done")

    assert plain.height == 200
    assert plain.width > 300, "a margin for the numbers"
    above = full.crop((0, 0, full.width, full.height - 200))
    colours = {colour for _, colour in above.getcolors(1 << 20) or []}
    assert {COLOURS["product"], COLOURS["void"]} <= colours
    assert not {COLOURS["unknown"], COLOURS["ambiguous"], COLOURS["not_assessable"]} & colours, "only what is there"


def test_each_decision_is_put_into_words() -> None:
    box = Box(0, 0, 1, 1)
    assert Mark(box, "product", "Cola", 0.9).text == "Cola 0.90"
    assert Mark(box, "unknown", "Cola", 0.5).text == "Cola? 0.50"
    assert Mark(box, "unknown").text == "unknown"
    assert Mark(box, "void", "Cola").text == "gap: Cola"
    assert Mark(box, "void").text == "empty"
    assert Mark(box, "not_assessable").text == "hidden"
