"""Which of the labelled photos are references, and which are asked: so many a product, without some, apart from each other."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inventory_match import catalog_file
from inventory_match.domain.errors import InvalidInput
from inventory_match.learning.labelled import Labelled, read_labelled, read_skus


def read_several(paths: Sequence[Path], folders: Sequence[Path]) -> list[Labelled]:
    """The rows of all files. Images lie beside their CSV, or else in the first of `folders` that has the file's first image."""
    return [photo for path in dict.fromkeys(paths) for photo in read_labelled(path, _folder(path, folders))]


def _folder(path: Path, folders: Sequence[Path]) -> Path:
    first = next(iter(catalog_file.read(path).rows), None)
    candidates = [path.parent, *folders]
    found = (folder for folder in candidates if first is not None and (folder / first.image).exists())
    return next(found, path.parent)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is left of the photos that were listed. All of it is optional.

    `per_product`: so many references a product, drawn with `seed`; then no query may come from a photo that is a reference.
    `excluded`: list of skus without references, whose queries therefore show unknown products. `new`: list of products
    newly enrolled: only they are asked for, and `per_product` limits only them, while the others keep all references.
    """

    per_product: int | None = None
    seed: int = 0
    excluded: Path | None = None
    new: Path | None = None

    def of(
        self, references: Sequence[Labelled], queries: Sequence[Labelled]
    ) -> tuple[Sequence[Labelled], Sequence[Labelled]]:
        """The references to enrol and the queries to ask. Raises InvalidInput where none is left, or a sku has no reference."""
        if self.excluded is not None:
            references = without_skus(references, read_skus(self.excluded), self.excluded)
        new = None if self.new is None else read_skus(self.new)
        if self.new is not None and new is not None:
            check_listed(references, new, self.new)
            queries = [query for query in queries if query.sku in new]
        if self.per_product is not None:
            references = some_per_product(references, self.per_product, self.seed, new)
            queries = apart_from(queries, references)
        if not references or not queries:
            raise InvalidInput(
                f"{len(references)} references and {len(queries)} queries are left; at least one of each"
            )
        return references, queries


def some_per_product(
    photos: Sequence[Labelled], count: int, seed: int, skus: Collection[str] | None = None
) -> list[Labelled]:
    """`count` photos of each product (all, where it has fewer), drawn at random; `skus`: only of these, the others keep all."""
    draw = np.random.default_rng(seed)
    places: dict[str, list[int]] = {}
    for place, photo in enumerate(photos):
        places.setdefault(photo.sku, []).append(place)
    kept: set[int] = set()
    for sku, own in sorted(places.items()):
        shuffled = draw.permutation(
            own
        ).tolist()  # for all, so that no product's draw hangs on what `skus` says of others
        kept.update(shuffled[:count] if skus is None or sku in skus else own)
    return [photos[place] for place in sorted(kept)]


def without_skus(photos: Sequence[Labelled], skus: Collection[str], source: Path) -> list[Labelled]:
    """The photos of all other products. Raises InvalidInput where one of `skus`, listed in `source`, has no photo."""
    check_listed(photos, skus, source)
    return [photo for photo in photos if photo.sku not in skus]


def check_listed(photos: Sequence[Labelled], skus: Collection[str], source: Path) -> None:
    """Raises InvalidInput where one of `skus`, listed in `source`, has no photo: a misspelt name would change nothing."""
    strange = sorted(set(skus) - {photo.sku for photo in photos})
    if strange:
        cure = "spell skus as the reference files do"
        raise InvalidInput(f"{', '.join(strange)}: no such sku among the references", file=str(source), cure=cure)


def apart_from(queries: Sequence[Labelled], references: Sequence[Labelled]) -> list[Labelled]:
    """The queries from photos of which no part is a reference: two boxes of one photo are all but the same picture."""
    taken = {_photo(reference) for reference in references}
    return [query for query in queries if _photo(query) not in taken]


def _photo(one: Labelled) -> Path:
    return (one.folder / one.row.image).resolve()
