"""Which photos serve as references and which are asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from inventory_match.domain.errors import InvalidInput
from inventory_match.learning.labelled import Labelled, read_labelled
from inventory_match.learning.selection import Selection, read_several


@pytest.fixture
def photos(tmp_path: Path) -> list[Labelled]:
    """Three products with 6, 4 and 2 boxes, two boxes in each photo."""
    path = tmp_path / "boxes.csv"
    rows = [
        f"{sku}{n // 2}.jpg,{sku},{n % 2},0,9,9" for sku, boxes in (("A", 6), ("B", 4), ("C", 2)) for n in range(boxes)
    ]
    path.write_text("\n".join(["image,sku,x0,y0,x1,y1", *rows]))
    return read_labelled(path)


def listed(folder: Path, *skus: str) -> Path:
    path = folder / "skus.txt"
    path.write_text("\n".join(skus))
    return path


def share(photos: Sequence[Labelled]) -> Counter[str]:
    return Counter(one.sku for one in photos)


def test_nothing_chosen_leaves_all_as_it_is(photos: list[Labelled]) -> None:
    assert Selection().of(photos, photos) == (photos, photos)


def test_so_many_references_a_product_and_no_query_from_their_photos(photos: list[Labelled]) -> None:
    references, queries = Selection(per_product=2, seed=4).of(photos, photos)
    assert share(references) == {"A": 2, "B": 2, "C": 2}
    assert {one.row.image for one in references}.isdisjoint(one.row.image for one in queries)
    assert len(queries) == 12 - 2 * len({one.row.image for one in references})
    assert Selection(per_product=2, seed=4).of(photos, photos) == (references, queries)
    drawn = {tuple(one.row.line for one in Selection(per_product=2, seed=n).of(photos, photos)[0]) for n in range(9)}
    assert len(drawn) > 1, "another seed draws others"


def test_what_a_product_draws_does_not_hang_on_the_others(photos: list[Labelled], tmp_path: Path) -> None:
    with_all, _ = Selection(per_product=1).of(photos, photos)
    some, _ = Selection(per_product=1, new=listed(tmp_path, "B")).of(photos, photos)
    assert [one for one in some if one.sku == "B"] == [one for one in with_all if one.sku == "B"]


def test_new_products_get_few_references_and_are_the_ones_asked_for(photos: list[Labelled], tmp_path: Path) -> None:
    references, queries = Selection(per_product=1, new=listed(tmp_path, "A", "B")).of(photos, photos)
    assert share(references) == {"A": 1, "B": 1, "C": 2}
    assert share(queries) == {"A": 4, "B": 2}


def test_products_left_out_have_no_reference_and_are_still_asked_for(photos: list[Labelled], tmp_path: Path) -> None:
    references, queries = Selection(excluded=listed(tmp_path, "B")).of(photos, photos)
    assert share(references) == {"A": 6, "C": 2}
    assert queries == photos


@pytest.mark.parametrize("how", ["excluded", "new"])
def test_a_misspelt_product_is_named(photos: list[Labelled], tmp_path: Path, how: str) -> None:
    path = listed(tmp_path, "A", "b")
    selection = Selection(excluded=path) if how == "excluded" else Selection(new=path)
    with pytest.raises(InvalidInput, match=r"skus\.txt: b: no such sku among the references"):
        selection.of(photos, photos)


def test_nothing_left_to_ask_is_an_error(photos: list[Labelled]) -> None:
    with pytest.raises(InvalidInput, match="0 queries are left"):
        Selection(per_product=6).of(photos, photos)


def test_each_file_finds_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "far.jpg").touch()
    (tmp_path / "near.jpg").touch()
    far, near, lost = (tmp_path / f"{name}.csv" for name in ("far", "near", "lost"))
    for path in (far, near, lost):
        path.write_text(f"image,sku\n{path.stem}.jpg,A\n")
    found = read_several([far, near, lost, far], [tmp_path / "images"])
    assert [one.folder for one in found] == [tmp_path / "images", tmp_path, tmp_path]
