"""Counts and boxes as people write them, and what they are told where they slipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from inventory_match.catalog_file import PixelBox
from inventory_match.domain.errors import InvalidInput
from inventory_match.learning.shelf_truth import read_boxes, read_counts, read_photos

BOXES = "image,sku,x0,y0,x1,y1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b.png", "left-alone.png"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def write(folder: Path, name: str, said: str) -> Path:
    path = folder / name
    path.write_text(said, encoding="utf-8")
    return path


def test_photos_are_those_that_counts_or_boxes_name(folder: Path) -> None:
    counts = write(folder, "counts.json", '{"b.png": {"A": 2, "B": 0}}')
    boxes = write(folder, "boxes.csv", BOXES + "a.png,A,0,0,10,10\na.png,B,10,0,20,10\n")

    found = read_photos(folder, counts, boxes)

    assert [(one.photo, one.counts, one.boxes and len(one.boxes)) for one in found] == [
        ("b.png", {"A": 2, "B": 0}, None),
        ("a.png", None, 2),
    ]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("{", ":1: is not JSON"),
        ("[]", "names no photo"),
        ("{}", "names no photo"),
        ('{"a.png": 3}', "a.png: 3 is no list of counts"),
        ('{"a.png": {"A": -1}}', "a.png.A: -1 is no count"),
        ('{"a.png": {"A": 1.5}}', "a.png.A: 1.5 is no count"),
        ('{"a.png": {"A": true}}', "a.png.A: True is no count"),
        ('{"a.png": {"A": 1, "A": 2}}', "A: is there more than once"),
    ],
)
def test_a_slip_in_the_counts_is_named(folder: Path, said: str, told: str) -> None:
    path = write(folder, "counts.json", said)
    with pytest.raises(InvalidInput) as error:
        read_counts(path)
    assert str(error.value).startswith(str(path))
    assert told in str(error.value)


def test_counts_that_are_no_text_are_told(folder: Path) -> None:
    path = folder / "counts.json"
    path.write_bytes(b"\xff\xfe{")
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_counts(path)


def test_a_row_without_box_is_told_with_its_line(folder: Path) -> None:
    path = write(folder, "boxes.csv", BOXES + "a.png,A,0,0,10,10\nb.png,A,,,,\n")
    with pytest.raises(InvalidInput, match=r"boxes\.csv:3: .*the row has no box"):
        read_boxes(path, folder)


def test_a_box_outside_its_picture_is_told_with_its_line_and_one_at_the_edge_is_cut(folder: Path) -> None:
    path = write(folder, "boxes.csv", BOXES + "a.png,A,0,0,100.5,50\na.png,A,0,0,102,50\n")
    edge, beyond = read_boxes(path, folder)["a.png"]
    assert edge.in_picture((100, 50)).box == PixelBox(0, 0, 100, 50)
    with pytest.raises(InvalidInput, match=r"boxes\.csv:3: .*leaves a\.png, which is 100 x 50 px"):
        beyond.in_picture((100, 50))
    assert beyond.in_picture(None).sku == "A", "a photo nobody could open has no size to check"


def test_a_photo_that_is_not_there_is_told_with_the_file_that_names_it(folder: Path) -> None:
    boxes = write(folder, "boxes.csv", BOXES + "nowhere.png,A,0,0,10,10\n")
    with pytest.raises(InvalidInput, match=r"boxes\.csv: nowhere\.png: there is no such file"):
        read_photos(folder, None, boxes)


def test_something_to_measure_against_is_needed(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="give --counts, --boxes, or both"):
        read_photos(folder, None, None)
