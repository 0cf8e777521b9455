"""What shelf photos truly show, as people wrote it down: counts as JSON, boxes as CSV, and the photos both speak of.

The first mistake ends it, as with other labelled sets: figures of what happened to be readable would be figures of something
else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inventory_match.catalog_file import CatalogFile, CatalogRow, PixelBox
from inventory_match.domain.errors import InvalidInput
from inventory_match.learning.detections import Labelled
from inventory_match.learning.labelled import SLACK, read_labelled


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """A true box and where it is written."""

    file: CatalogFile
    row: CatalogRow
    box: PixelBox

    def in_picture(self, size: tuple[int, int] | None) -> Labelled:
        """The label, for an upright picture of that width and height, px; None: nobody could open it.

        Raises InvalidInput where it leaves the picture.
        """
        box = self.box
        if size is None:
            return Labelled(box, self.row.sku)
        width, height = size
        if box.x1 >= width + SLACK or box.y1 >= height + SLACK or box.x0 >= width or box.y0 >= height:
            corners = f"{box.x0:g}, {box.y0:g} to {box.x1:g}, {box.y1:g}"
            problem = f"the box {corners} leaves {self.row.image}, which is {width} x {height} px"
            cure = "boxes are in pixels of the upright picture"
            raise self.file.error(self.row.line, "x0, y0, x1, y1", problem, cure)
        return Labelled(PixelBox(box.x0, box.y0, min(box.x1, width), min(box.y1, height)), self.row.sku)


@dataclass(frozen=True, slots=True)
class ShelfPhoto:
    """A photo by its path in the folder, with its true counts and boxes, None where nothing is said of them."""

    photo: str
    counts: Mapping[str, int] | None
    boxes: Sequence[LabelledRow] | None


def read_photos(folder: Path, counts: Path | None, boxes: Path | None) -> list[ShelfPhoto]:
    """Every photo that the files name, in their order.

    Raises InvalidInput where neither file is given, a file cannot be understood, or a photo is not in the folder.
    """
    if counts is None and boxes is None:
        raise InvalidInput("nothing to measure against", cure="give --counts, --boxes, or both")
    counted = {} if counts is None else read_counts(counts)
    labelled = {} if boxes is None else read_boxes(boxes, folder)
    photos = list(dict.fromkeys([*counted, *labelled]))
    for photo in photos:
        if not (folder / photo).is_file():
            source = counts if photo in counted else boxes
            cure = "photos are named by their path in the folder of --photos"
            raise InvalidInput(f"there is no such file in {folder}", file=str(source), key=photo, cure=cure)
    return [ShelfPhoto(photo, counted.get(photo), labelled.get(photo)) for photo in photos]


def read_counts(path: Path) -> dict[str, dict[str, int]]:
    """{photo: {sku: facings}}. Raises InvalidInput naming the entry that is wrong."""
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=lambda pairs: _once(path, pairs))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot be read: {error}", file=str(path), cure="a JSON file in UTF-8") from error
    except json.JSONDecodeError as error:
        cure = 'write {"photo.jpg": {"sku": 2}}'
        raise InvalidInput(f"is not JSON: {error.msg}", file=str(path), line=error.lineno, cure=cure) from error
    if not isinstance(found, dict) or not found:
        raise InvalidInput("names no photo", file=str(path), cure='write {"photo.jpg": {"sku": 2}}')
    return {photo: _counts(path, photo, said) for photo, said in found.items()}


def _once(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidInput("is there more than once", file=str(path), key=twice[0], cure="join or remove one")
    return dict(pairs)


def _counts(path: Path, photo: str, said: object) -> dict[str, int]:
    if not isinstance(said, dict):
        cure = 'write {"sku": 2}, or {} for an empty shelf'
        raise InvalidInput(f"{said!r} is no list of counts", file=str(path), key=photo, cure=cure)
    for sku, count in said.items():
        if not sku or isinstance(count, bool) or not isinstance(count, int) or count < 0:
            cure = "write how many facings one sees, 0 or more"
            raise InvalidInput(f"{count!r} is no count", file=str(path), key=f"{photo}.{sku}", cure=cure)
    return said


def read_boxes(path: Path, folder: Path) -> dict[str, list[LabelledRow]]:
    """Photo to its true boxes. Raises InvalidInput at the first row that is wrong, or has no box."""
    found: dict[str, list[LabelledRow]] = {}
    for one in read_labelled(path, folder):
        if one.row.box is None:
            cure = "give x0, y0, x1, y1 in pixels of the upright picture"
            raise one.file.error(one.row.line, "x0, y0, x1, y1", "the row has no box", cure)
        found.setdefault(one.row.image, []).append(LabelledRow(one.file, one.row, one.row.box))
    return found
