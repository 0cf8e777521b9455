"""Photos with the product they show, listed in a CSV as a catalog is: `image`, `sku`, perhaps `x0,y0,x1,y1`.

The reader is the catalog's own, so what was imported can be measured. But here the first row that is wrong ends it: figures
of what happened to be readable would be figures of something else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from inventory_match import catalog_file
from inventory_match.catalog_file import CatalogFile, CatalogRow, PixelBox
from inventory_match.domain.errors import InvalidInput, PhotoRejected
from inventory_match.domain.photos import Box
from inventory_match.vision.images import crop

if TYPE_CHECKING:
    from inventory_match.ports import Decoder, Image


SLACK = 1.0
"""Pixels, exclusive, by which a box may reach beyond the picture: it is cut there, for boxes that were scaled and rounded."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One row, the file it stands in, and the folder that the row's image path starts from."""

    file: CatalogFile
    row: CatalogRow
    folder: Path

    @property
    def sku(self) -> str:
        return self.row.sku

    @property
    def source(self) -> str:
        """Where the row stands: file and line."""
        return f"{self.file.path}:{self.row.line}"

    def pixels(self, decode: Decoder, margin: float = 0.0) -> Image:
        """The part of the photo that shows the product, RGB uint8 (h, w, 3), and `margin` of its box's size on each side.

        Raises InvalidInput naming file and line.
        """
        row = self.row
        try:
            photo = decode((self.folder / row.image).read_bytes()).image
        except OSError as error:
            cure = f"paths are relative to {self.folder}; --images names another folder"
            raise self.file.error(row.line, "image", f"{row.image}: {error.strerror}", cure) from error
        except PhotoRejected as error:
            raise self.file.error(row.line, "image", f"{row.image}: {error}", "mend or remove it") from error
        return photo if row.box is None else self._cut(photo, row.box, margin)

    def _cut(self, photo: Image, box: PixelBox, margin: float) -> Image:
        height, width = photo.shape[:2]
        if box.x1 >= width + SLACK or box.y1 >= height + SLACK or box.x0 >= width or box.y0 >= height:
            corners = f"{box.x0:g}, {box.y0:g} to {box.x1:g}, {box.y1:g}"
            problem = f"the box {corners} leaves {self.row.image}, which is {width} x {height} px"
            raise self.file.error(
                self.row.line, "x0, y0, x1, y1", problem, "boxes are in pixels of the upright picture"
            )
        x, y = margin * (box.x1 - box.x0), margin * (box.y1 - box.y0)
        x0, y0 = max((box.x0 - x) / width, 0), max((box.y0 - y) / height, 0)
        return crop(photo, Box(x0, y0, min((box.x1 + x) / width, 1), min((box.y1 + y) / height, 1)))


def read_labelled(path: Path, images: Path | None = None) -> list[Labelled]:
    """Every row of the file; there must be one. `images`: the folder its paths start from, where that is not the file's own.

    Raises InvalidInput at the first row that cannot be understood.
    """
    file = catalog_file.read(path)
    for error in file.bad:
        raise error
    if not file.rows:
        raise InvalidInput("has no rows", file=str(path), line=1, cure="list at least one photo")
    return [Labelled(file, row, images or path.parent) for row in file.rows]


def read_skus(path: Path) -> frozenset[str]:
    """The skus of a text file, one a line; empty lines and those that begin with # are passed over. There must be one."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot be read: {error}", file=str(path), cure="a text file, one sku a line") from error
    skus = frozenset(line for line in lines if line and not line.startswith("#"))
    if not skus:
        raise InvalidInput("names no product", file=str(path), line=1, cure="write one sku a line")
    return skus
