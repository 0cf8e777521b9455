"""Photos with the product they show, listed in a CSV as a catalog is: `image`, `sku`, perhaps `x0,y0,x1,y1`.

The reader is the catalog's own, so what was imported can be measured. But here the first row that is wrong ends it: figures
of what happened to be readable would be figures of something else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from inventory_match import catalog_file
from inventory_match.catalog_file import CatalogFile, CatalogRow
from inventory_match.domain.errors import InvalidInput, PhotoRejected
from inventory_match.domain.photos import Box
from inventory_match.vision.images import crop

if TYPE_CHECKING:
    from inventory_match.ports import Decoder, Image


@dataclass(frozen=True, slots=True)
class Labelled:
    """One row, and the file it stands in."""

    file: CatalogFile
    row: CatalogRow

    @property
    def sku(self) -> str:
        return self.row.sku

    @property
    def source(self) -> str:
        """Where the row stands: file and line."""
        return f"{self.file.path}:{self.row.line}"

    def pixels(self, decode: Decoder) -> Image:
        """The part of the photo that shows the product, RGB uint8 (h, w, 3). Raises InvalidInput naming file and line."""
        row = self.row
        try:
            photo = decode((self.file.path.parent / row.image).read_bytes()).image
        except OSError as error:
            cure = "paths are relative to the CSV"
            raise self.file.error(row.line, "image", f"{row.image}: {error.strerror}", cure) from error
        except PhotoRejected as error:
            raise self.file.error(row.line, "image", f"{row.image}: {error}", "mend or remove the row") from error
        if row.box is None:
            return photo
        height, width = photo.shape[:2]
        if row.box.x1 > width or row.box.y1 > height:
            problem = f"the box reaches to {row.box.x1:g} x {row.box.y1:g}, {row.image} is {width} x {height} px"
            raise self.file.error(row.line, "x1, y1", problem, "boxes are in pixels of the upright picture")
        return crop(photo, Box(row.box.x0 / width, row.box.y0 / height, row.box.x1 / width, row.box.y1 / height))


def read_labelled(path: Path) -> list[Labelled]:
    """Every row of the file; there must be one. Raises InvalidInput at the first that cannot be understood."""
    file = catalog_file.read(path)
    for error in file.bad:
        raise error
    if not file.rows:
        raise InvalidInput("has no rows", file=str(path), line=1, cure="list at least one photo")
    return [Labelled(file, row) for row in file.rows]
