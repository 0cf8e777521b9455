"""Photos with boxes: read from `image, sku, x0, y0, x1, y1` tables, split without near-duplicates on both sides, rendered
ahead, and varied anew each time they are looked at."""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inventory_match.domain.errors import InvalidInput

Boxes = NDArray[np.float32]
_COLUMNS = ("image", "x0", "y0", "x1", "y1")


@dataclass(frozen=True, slots=True)
class Boxed:
    """A photo and its boxes, (n, 4) px of the file. `doubtful` boxes are neither right nor wrong to find; where the photo is
    not `exhaustive`, neither is anything without a box."""

    path: Path
    boxes: Boxes
    doubtful: Boxes
    exhaustive: bool
    skus: tuple[str, ...] = ()


def read_boxes(table: Path, folder: Path, *, exhaustive: bool) -> list[Boxed]:
    """The photos of a table, in its order; a column `doubtful` may mark boxes with 1. Raises InvalidInput naming the line."""
    found: dict[str, list[tuple[float, float, float, float, str, bool]]] = defaultdict(list)
    with table.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if missing := [name for name in _COLUMNS if name not in (rows.fieldnames or ())]:
            raise InvalidInput(f"{table}: line 1 lacks the column {missing[0]}; it needs {', '.join(_COLUMNS)}")
        for line, row in enumerate(rows, 2):
            try:
                x0, y0, x1, y1 = (float(row[name]) for name in _COLUMNS[1:])
            except (TypeError, ValueError) as error:
                raise InvalidInput(
                    f"{table}: line {line}: x0, y0, x1 and y1 must be numbers of px ({error})"
                ) from error
            if not (x0 < x1 and y0 < y1):
                raise InvalidInput(f"{table}: line {line}: the box is empty; it needs x0 < x1 and y0 < y1")
            found[row["image"]].append((x0, y0, x1, y1, row.get("sku") or "", row.get("doubtful") == "1"))
    return [_boxed(folder / name, boxes, exhaustive) for name, boxes in found.items()]


def _boxed(path: Path, rows: Sequence[tuple[float, float, float, float, str, bool]], exhaustive: bool) -> Boxed:
    sure, doubtful = [r[:4] for r in rows if not r[5]], [r[:4] for r in rows if r[5]]
    skus = tuple(row[4] for row in rows if not row[5])
    return Boxed(path, _array(sure), _array(doubtful), exhaustive, skus)


def _array(boxes: Sequence[tuple[float, ...]]) -> Boxes:
    return np.array(boxes, np.float32).reshape(-1, 4)


def alike(paths: Sequence[Path], furthest: int = 10) -> list[list[Path]]:
    """Groups of photos taken one after the other of the same thing: neighbours by name whose difference hashes (16 x 16
    bits) differ in at most `furthest` per cent of their bits."""
    groups: list[list[Path]] = []
    before: NDArray[np.bool_] | None = None
    for path in sorted(paths):
        bits = _difference_hash(path)
        near = before is not None and 100 * float((bits != before).mean()) <= furthest
        if near:
            groups[-1].append(path)
        else:
            groups.append([path])
        before = bits
    return groups


def kept_for_validation(paths: Sequence[Path], every: int = 5) -> frozenset[str]:
    """Names of about one photo in `every`: whole groups of alike ones, chosen by the hash of the first one's name, so that
    the choice hangs on nothing but the names and the photos."""
    chosen = [group for group in alike(paths) if _number(group[0].name) % every == 0]
    return frozenset(path.name for group in chosen for path in group)


def _number(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)


def _difference_hash(path: Path) -> NDArray[np.bool_]:
    with Image.open(path) as picture:
        grey = np.asarray(picture.convert("L").resize((17, 16), Image.Resampling.BOX), np.int16)
    return grey[:, 1:] > grey[:, :-1]


def fronts(photos: Iterable[Boxed], smallest: int = 80) -> list[Image.Image]:
    """What is inside the boxes, as RGBA pictures for `rendering.scenes`: real prints on rendered shelves. Boxes with a side
    below `smallest` px are left out."""
    cut = []
    for photo in photos:
        with Image.open(photo.path) as file:
            picture = file.convert("RGB")
        for box in photo.boxes:
            left, top, right, bottom = (int(v) for v in box)
            if min(right - left, bottom - top) >= smallest:
                one = picture.crop((left, top, right, bottom)).convert("RGBA")
                one.thumbnail((320, 320))
                cut.append(one)
    return cut
