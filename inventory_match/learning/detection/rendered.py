"""Rendered scenes laid down as photos with a table of boxes, once, before a course begins: drawing one takes as long as
learning from it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from inventory_match.learning.detection.photos import Boxed, read_boxes
from inventory_match.rendering.designs import product
from inventory_match.rendering.packs import packshot
from inventory_match.rendering.scenes import Scene, scene

_SIZES = ((640, 480), (480, 640), (640, 360), (640, 640), (800, 600))
_RANGES, _PRODUCTS, _HEIGHT = 10, 24, 256
_BATCH = 50
"""Scenes a process draws in a row."""

_packs: list[Image.Image] = []


def rendered(
    folder: Path,
    count: int,
    seed: int,
    real: Sequence[Image.Image],
    *,
    processes: int = 2,
    drawn: Callable[[int], None],
) -> list[Boxed]:
    """`count` scenes in `folder`, drawn unless they are there; a third of their packs wear `real` prints.

    The same arguments give the same pictures. `drawn` is told how many more there are.
    """
    table = folder / "boxes.csv"
    if not table.exists():
        folder.mkdir(parents=True, exist_ok=True)
        jobs = [(folder, seed, first, min(first + _BATCH, count)) for first in range(0, count, _BATCH)]
        rows: list[tuple[str | float, ...]] = []
        with ProcessPoolExecutor(processes, initializer=_lay_out, initargs=(seed, list(real))) as pool:
            for done in pool.map(_draw, jobs):
                rows += done
                drawn(_BATCH)
        unfinished = table.with_suffix(".part")
        with unfinished.open("w", newline="") as file:
            csv.writer(file).writerows([("image", "sku", "x0", "y0", "x1", "y1", "doubtful"), *rows])
        unfinished.rename(table)
    return read_boxes(table, folder, exhaustive=True)


def _lay_out(seed: int, real: list[Image.Image]) -> None:
    drawn = [
        packshot(product(seed * 1000 + number, index), _HEIGHT)
        for number in range(_RANGES)
        for index in range(_PRODUCTS)
    ]
    draw = np.random.default_rng(seed)
    chosen = [real[int(i)] for i in draw.integers(0, len(real), len(drawn) // 2)] if real else []
    _packs[:] = [*drawn, *chosen]


def _draw(job: tuple[Path, int, int, int]) -> list[tuple[str | float, ...]]:
    folder, seed, first, end = job
    rows: list[tuple[str | float, ...]] = []
    for number in range(first, end):
        draw = np.random.default_rng((seed, number))
        size = _SIZES[int(draw.integers(len(_SIZES)))]
        # A shop has a few dozen products, not all there are.
        few = [_packs[int(i)] for i in draw.integers(0, len(_packs), int(draw.integers(2, 30)))]
        made = scene(few, draw, size)
        name = f"{number:05d}.jpg"
        made.image.save(folder / name, quality=int(draw.integers(45, 95)))
        rows += _rows(name, made, size)
    return rows


def _rows(name: str, made: Scene, size: tuple[int, int]) -> list[tuple[str | float, ...]]:
    w, h = size
    marked = [*((box, 0) for box in made.facings), *((box, 1) for box in made.doubtful)]
    return [
        (name, "", round(box.x0 * w, 1), round(box.y0 * h, 1), round(box.x1 * w, 1), round(box.y1 * h, 1), doubt)
        for box, doubt in marked
    ]
