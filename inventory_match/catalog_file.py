"""Reads a catalog CSV: one row a reference photo, several rows of one sku being several photos of one product.

Columns, in any order, by their names in the first line: `sku` and `image` are required; `name`, `category`, `brand`,
`gtin`, `description` and `x0`, `y0`, `x1`, `y1` (the product's box in pixels of the picture as a viewer shows it, upright) may
be there; any other is passed over. An image is a path relative to the CSV, or `s3://bucket/key`. UTF-8, commas.

A row that is wrong by itself, or contradicts an earlier one, is told with its line and cure, and the others are good. What
only shows in the picture or in the database is found by `enrol`.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from inventory_match.domain import gtin
from inventory_match.domain.errors import InvalidInput

REQUIRED = ("sku", "image")
FACTS = ("name", "category", "brand", "gtin", "description")
CORNERS = ("x0", "y0", "x1", "y1")


@dataclass(frozen=True, slots=True)
class PixelBox:
    """A box in pixels of the upright picture, origin at the top left."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class CatalogRow:
    """One reference photo, and what the row says of its product (None: nothing)."""

    line: int
    sku: str
    image: str
    name: str | None = None
    category: str | None = None
    gtin: str | None = None
    description: str | None = None
    box: PixelBox | None = None
    brand: str | None = None


@dataclass(frozen=True, slots=True)
class CatalogFile:
    """The good rows, in order, and one error for each bad one."""

    path: Path
    rows: list[CatalogRow]
    bad: list[InvalidInput]

    def error(self, line: int, key: str, problem: str, cure: str) -> InvalidInput:
        """An error at a row of this file."""
        return InvalidInput(problem, file=str(self.path), line=line, key=key, cure=cure)


def read(path: Path) -> CatalogFile:
    """Raises InvalidInput where the file as a whole cannot be read."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InvalidInput(f"cannot be read: {error.strerror}", file=str(path), cure="is the path right?") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"is not UTF-8: {error}", file=str(path), cure="save it as CSV UTF-8") from error
    found = CatalogFile(path, [], [])
    owners: dict[str, str] = {}
    facts: dict[tuple[str, str], tuple[str, int]] = {}
    for line, cells in _records(found, text):
        try:
            row = _row(found, line, cells)
            _agree(found, row, owners, facts)
        except InvalidInput as error:
            found.bad.append(error)
        else:
            found.rows.append(row)
    return found


def _records(file: CatalogFile, text: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """(line a row begins in, its cells by column); rows of the wrong length are noted as bad, empty ones passed over."""
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        columns = [name.strip().lower() for name in next(reader, [])]
        _check_columns(file, columns)
        line = reader.line_num + 1
        for cells in reader:
            if len(cells) != len(columns) and any(cells):
                problem = f"has {len(cells)} cells where the first line has {len(columns)}"
                file.bad.append(file.error(line, "row", problem, 'put a value that holds a comma into "quotes"'))
            elif any(cell.strip() for cell in cells):
                yield line, {name: cell.strip() for name, cell in zip(columns, cells, strict=True)}
            line = reader.line_num + 1
    except csv.Error as error:
        raise file.error(reader.line_num, "row", f"is not CSV: {error}", "is a quote left open?") from error


def _check_columns(file: CatalogFile, columns: list[str]) -> None:
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        cure = (
            "separate columns by commas" if any(";" in name or "\t" in name for name in columns) else "name them there"
        )
        raise file.error(1, ", ".join(missing), "no such column in the first line", cure)
    known = [*REQUIRED, *FACTS, *CORNERS]
    twice = sorted({name for name in known if columns.count(name) > 1})
    if twice:
        raise file.error(1, ", ".join(twice), "column is there more than once", "remove one")


def _row(file: CatalogFile, line: int, cells: Mapping[str, str]) -> CatalogRow:
    for key in REQUIRED:
        if not cells[key]:
            raise file.error(line, key, "is missing", "every row needs one")
    if found := complaint(cells):
        raise file.error(line, *found)
    given = {key: cells.get(key) or None for key in FACTS}
    return CatalogRow(line, cells["sku"], cells["image"], **given, box=_box(file, line, cells))


def complaint(said: Mapping[str, str]) -> tuple[str, str, str] | None:
    """The key, what is wrong with what is said of a product there, and how to mend it; None where all is well."""
    for key, value in said.items():
        if "\0" in value:
            return key, "holds a NUL character", "remove it"
    if (code := said.get("gtin")) and (found := gtin.complaint(code)):
        return "gtin", *found
    return None


def _box(file: CatalogFile, line: int, cells: Mapping[str, str]) -> PixelBox | None:
    given = [cells.get(key, "") for key in CORNERS]
    if not any(given):
        return None
    if not all(given):
        absent = ", ".join(key for key, cell in zip(CORNERS, given, strict=True) if not cell)
        raise file.error(line, absent, "the box is only half given", "give all of x0, y0, x1, y1, or none")
    try:
        x0, y0, x1, y1 = map(float, given)
    except ValueError as error:
        raise file.error(
            line, "x0, y0, x1, y1", f"the box {', '.join(given)} is not numbers", "write pixels"
        ) from error
    if not (all(map(math.isfinite, (x0, y0, x1, y1))) and 0 <= x0 < x1 and 0 <= y0 < y1):
        problem = f"the box {', '.join(given)} is empty or outside the picture"
        raise file.error(line, "x0, y0, x1, y1", problem, "0 <= x0 < x1 and 0 <= y0 < y1, in pixels")
    return PixelBox(x0, y0, x1, y1)


def _agree(
    file: CatalogFile, row: CatalogRow, owners: dict[str, str], facts: dict[tuple[str, str], tuple[str, int]]
) -> None:
    """Rows of one sku say one thing, and a gtin is of one sku. `owners`: gtin to sku; `facts`: what the rows so far said."""
    said = {key: value for key in FACTS if (value := getattr(row, key)) is not None}
    for key, value in said.items():
        before, line = facts.get((row.sku, key), (value, 0))
        if before != value:
            problem = f"{value!r} contradicts line {line}, where the {key} of {row.sku} is {before!r}"
            raise file.error(row.line, key, problem, "say the same in all rows of a sku, or only once")
    if row.gtin is not None and (owner := owners.setdefault(gtin.padded(row.gtin), row.sku)) != row.sku:
        raise file.error(row.line, "gtin", f"{row.gtin} is the gtin of {owner} already", "one product, one gtin")
    for key, value in said.items():
        facts.setdefault((row.sku, key), (value, row.line))


def merged_facts(rows: Iterable[CatalogRow]) -> dict[str, dict[str, str]]:
    """Sku to what its rows say of the product, each key as first said."""
    merged: dict[str, dict[str, str]] = {}
    for row in rows:
        facts = merged.setdefault(row.sku, {})
        for key in FACTS:
            if (value := getattr(row, key)) is not None:
                facts.setdefault(key, value)
    return merged
