"""Tables of boxes, and splits that keep near-duplicates together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inventory_match.domain.errors import InvalidInput
from inventory_match.learning.detection.photos import alike, fronts, kept_for_validation, read_boxes

ROOT = Path(__file__).parents[3]
PHOTOS = ROOT.parent / "shared/data/household-products/images"


def table(folder: Path, *lines: str, head: str = "image,sku,x0,y0,x1,y1") -> Path:
    path = folder / "boxes.csv"
    path.write_text("\n".join((head, *lines)) + "\n")
    return path


def noise(path: Path, seed: int, change: int = 0) -> Path:
    """A smooth random picture; `change` alters it a little."""
    cells = np.random.default_rng(seed).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    cells[0, 0] += change
    Image.fromarray(cells).resize((96, 96), Image.Resampling.BICUBIC).save(path)
    return path


def test_boxes_of_a_photo_come_together_and_doubtful_ones_apart(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "a.png,cola,1,2,30,40,0",
        "b.png,,0,0,9,9,1",
        "a.png,tea,5,5,9,9,",
        head="image,sku,x0,y0,x1,y1,doubtful",
    )
    first, second = read_boxes(path, tmp_path, exhaustive=True)
    assert (first.path.name, first.skus, first.boxes.tolist()) == (
        "a.png",
        ("cola", "tea"),
        [[1, 2, 30, 40], [5, 5, 9, 9]],
    )
    assert (len(second.boxes), second.doubtful.tolist()) == (0, [[0, 0, 9, 9]])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a.png,x,1,2,three,4", "line 2.*numbers"),
        ("a.png,x,9,2,3,4", "line 2.*empty"),
        ("a.png,x,1,2,3", "line 2.*numbers"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read_boxes(table(tmp_path, line), tmp_path, exhaustive=True)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="lacks the column y1"):
        read_boxes(table(tmp_path, head="image,x0,y0,x1"), tmp_path, exhaustive=True)


def test_photos_taken_one_after_the_other_stay_on_one_side(tmp_path: Path) -> None:
    paths = [noise(tmp_path / f"{number:03d}.png", number // 3, change=number % 3) for number in range(60)]
    assert [len(group) for group in alike(paths)] == [3] * 20
    kept = kept_for_validation(paths, every=4)
    assert 0 < len(kept) < 60
    assert all(len({path.name in kept for path in paths[i : i + 3]}) == 1 for i in range(0, 60, 3))
    assert kept == kept_for_validation(paths[::-1], every=4)


def test_fronts_are_what_lies_in_large_boxes(tmp_path: Path) -> None:
    Image.new("RGB", (200, 200), (9, 99, 199)).save(tmp_path / "a.png")
    photos = read_boxes(table(tmp_path, "a.png,x,0,0,100,150", "a.png,x,0,0,79,150"), tmp_path, exhaustive=True)
    [front] = fronts(photos)
    assert (front.size, front.mode, front.getpixel((5, 5))) == ((100, 150), "RGBA", (9, 99, 199, 255))


@pytest.mark.skipif(not PHOTOS.is_dir(), reason=f"needs {PHOTOS}, the photos the shipped detector learned from")
def test_the_committed_list_is_what_the_rule_keeps_of_the_photos() -> None:
    listed = (ROOT / "tests/benchmarks/household-validation.txt").read_text().split()
    assert kept_for_validation(list(PHOTOS.iterdir()), 5) == set(listed)
    assert set((ROOT / "tests/benchmarks/household-neither.txt").read_text().split()) < set(listed)
