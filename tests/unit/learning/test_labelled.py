"""Labelled photos from a CSV: what is cut out, and that every complaint names file and line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inventory_match.domain.errors import InvalidInput
from inventory_match.learning.labelled import read_labelled, read_skus
from inventory_match.vision.images import decoder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pixels = np.arange(20 * 30 * 3, dtype=np.uint32).reshape(20, 30, 3) % 251
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    return tmp_path


def write(folder: Path, *lines: str) -> Path:
    path = folder / "photos.csv"
    path.write_text("\n".join(lines), encoding="utf-8-sig")
    return path


def test_paths_are_relative_to_the_file_and_boxes_are_pixels(folder: Path) -> None:
    whole, part = read_labelled(write(folder, "image,sku,x0,y0,x1,y1", "a.png,A,,,,", "a.png,B,3,2,13,7"))
    full = whole.pixels(decoder())

    assert (whole.sku, whole.source, part.source) == ("A", f"{folder}/photos.csv:2", f"{folder}/photos.csv:3")
    assert full.shape == (20, 30, 3)
    assert np.array_equal(part.pixels(decoder()), full[2:7, 3:13])


def test_photos_may_lie_in_another_folder(folder: Path) -> None:
    (folder / "lists").mkdir()
    path = write(folder / "lists", "image,sku", "a.png,A")
    [found] = read_labelled(path, folder)
    assert found.pixels(decoder()).shape == (20, 30, 3)
    [lost] = read_labelled(path)
    with pytest.raises(InvalidInput, match=r"a\.png: No such file.*--images names another folder"):
        lost.pixels(decoder())


def test_a_box_rounded_beyond_the_edge_is_cut_there(folder: Path) -> None:
    [rounded] = read_labelled(write(folder, "image,sku,x0,y0,x1,y1", "a.png,A,20,10,30.4,20.9"))
    assert rounded.pixels(decoder()).shape == (10, 10, 3)


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["image,name", "a.png,A"], ":1: sku: no such column"),
        (["image,sku"], ":1: has no rows"),
        (["image,sku", "a.png,A", ",B"], ":3: image: is missing"),
        (["image,sku,x0,y0,x1,y1", "a.png,A,5,2,5,4"], ":2: x0, y0, x1, y1: the box 5, 2, 5, 4 is empty"),
    ],
)
def test_the_first_row_that_makes_no_sense_ends_it(folder: Path, lines: list[str], complaint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_labelled(write(folder, *lines))
    assert f"photos.csv{complaint}" in str(caught.value)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("gone.png,A,,,,", "image: gone.png: No such file"),
        ("broken.png,A,,,,", "image: broken.png: damaged PNG"),
        ("photos.csv,A,,,,", "is not accepted; upload JPEG, PNG or WebP"),
        ("a.png,A,0,0,31,20", "x0, y0, x1, y1: the box 0, 0 to 31, 20 leaves a.png, which is 30 x 20 px"),
        ("a.png,A,30,0,30.5,20", "the box 30, 0 to 30.5, 20 leaves a.png"),
    ],
)
def test_a_photo_nobody_can_read_says_which(folder: Path, row: str, complaint: str) -> None:
    [labelled] = read_labelled(write(folder, "image,sku,x0,y0,x1,y1", row))
    with pytest.raises(InvalidInput) as caught:
        labelled.pixels(decoder())
    assert complaint in str(caught.value)
    assert "photos.csv:2" in str(caught.value)


def test_skus_stand_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "skus.txt"
    path.write_text("# left out\nOat-Milk \n\nSour Cream\n", encoding="utf-8-sig")
    assert read_skus(path) == {"Oat-Milk", "Sour Cream"}
    path.write_text("# none yet\n")
    with pytest.raises(InvalidInput, match=r"skus\.txt:1: names no product"):
        read_skus(path)
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_skus(tmp_path / "gone.txt")
