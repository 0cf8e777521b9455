"""The detector that ships: small, whole, and right about a shelf of packs it has never seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from inventory_match.catalog_file import PixelBox
from inventory_match.learning.detections import Detection, Labelled, match
from inventory_match.rendering.designs import product
from inventory_match.rendering.shelf import ShelfLayout, shelf_photo
from inventory_match.vision.detection.finder import FileFinder
from inventory_match.vision.detection.weights import shipped_default

if TYPE_CHECKING:
    from pathlib import Path

    from inventory_match.domain.photos import Box

WIDTH, HEIGHT = 960, 720


def pixels(box: Box) -> PixelBox:
    return PixelBox(box.x0 * WIDTH, box.y0 * HEIGHT, box.x1 * WIDTH, box.y1 * HEIGHT)


def test_its_record_names_it_and_it_is_small_enough_to_ship() -> None:
    record = shipped_default()
    assert (record.name, record.arch) == ("compact-shelf", "compact_fcos")
    assert record.path is not None
    assert record.path.stat().st_size <= 15_000_000


@pytest.mark.parametrize("seed", [7001, 7002])
def test_it_finds_every_facing_of_a_shelf_once_and_nothing_in_empty_places(seed: int, tmp_path: Path) -> None:
    packs = [product(seed, number) for number in range(6)]
    contents = {slot: packs[slot // 3 % 6] for slot in range(18) if slot not in (4, 11)}
    photo = shelf_photo(ShelfLayout(("",) * 18, rows=3, columns=6), contents, seed, size=(WIDTH, HEIGHT))
    found = FileFinder(shipped_default(), threads=1, kept=tmp_path)(np.asarray(photo.image))
    detections = [Detection(pixels(one.box), one.score) for one in found]
    labels = [Labelled(pixels(one.box), one.sku) for one in photo.standing]
    pairs = match(detections, labels)
    assert sum(pair.label is not None for pair in pairs) == 16
    assert sum(pair.label is None for pair in pairs) == 0
