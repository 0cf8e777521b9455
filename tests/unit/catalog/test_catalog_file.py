"""A catalog CSV: columns by name, one bad row never spoils the others, and each is told with its line and cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from inventory_match.catalog_file import CatalogFile, CatalogRow, PixelBox, merged_facts, read
from inventory_match.domain.errors import InvalidInput


def parsed(tmp_path: Path, text: str | bytes) -> CatalogFile:
    path = tmp_path / "catalog.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path)


def test_columns_are_found_by_name_in_any_order(tmp_path: Path) -> None:
    text = (
        "Image, SKU ,colour,gtin,x0,y0,x1,y1,name,description,category,Brand\n"
        'a b.jpg,cola,red,40170725,1,2,30.5,40,"Cola, 0.33 l","fizzy\nand ""brown""",drinks,Fizz & Co\n'
        ",,,,,,,,,,,\n"
        "\n"
        "s3://b/rice.png,rice,,,,,,,,,,\n"
    )
    found = parsed(tmp_path, "\ufeff" + text.replace("\n", "\r\n"))
    assert found.bad == []
    assert found.rows == [
        CatalogRow(
            2,
            "cola",
            "a b.jpg",
            "Cola, 0.33 l",
            "drinks",
            "40170725",
            'fizzy\r\nand "brown"',
            PixelBox(1, 2, 30.5, 40),
            "Fizz & Co",
        ),
        CatalogRow(6, "rice", "s3://b/rice.png"),
    ]


def test_only_sku_and_image_are_needed(tmp_path: Path) -> None:
    assert parsed(tmp_path, "sku,image\na,1.jpg\na,2.jpg").rows == [
        CatalogRow(2, "a", "1.jpg"),
        CatalogRow(3, "a", "2.jpg"),
    ]


HEAD = "sku,image,name,gtin,x0,y0,x1,y1\n"


@pytest.mark.parametrize(
    ("row", "key", "says"),
    [
        (",b.jpg,,,,,,", "sku", "is missing"),
        ("b,,,,,,,", "image", "is missing"),
        ("b,b.jpg,,40170726,,,,", "gtin", "its check digit is 5"),
        ("b,b.jpg,,4006381333931,,,,", "gtin", "is the gtin of a already"),
        ("b,b.jpg,,04006381333931,,,,", "gtin", "is the gtin of a already"),
        ("a,b.jpg,Other,,,,,", "name", "contradicts line 2, where the name of a is 'First'"),
        ("b,b.jpg,,,1,2,3,", "y1", "only half given"),
        ("b,b.jpg,,,1,2,3,x", "x0, y0, x1, y1", "is not numbers"),
        ("b,b.jpg,,,3,2,3,4", "x0, y0, x1, y1", "is empty or outside"),
        ("b,b.jpg,,,-1,2,3,4", "x0, y0, x1, y1", "is empty or outside"),
        ("b,b.jpg,,,0,0,inf,4", "x0, y0, x1, y1", "is empty or outside"),
        ("b,b.jpg,,,0,nan,3,4", "x0, y0, x1, y1", "is empty or outside"),
        ("b,b.jpg,Bread, fresh,,,,,", "row", "has 9 cells where the first line has 8"),
        ("b,b\0.jpg,,,,,,", "image", "NUL"),
    ],
)
def test_a_bad_row_is_told_and_the_others_are_good(tmp_path: Path, row: str, key: str, says: str) -> None:
    found = parsed(tmp_path, f"{HEAD}a,a.jpg,First,4006381333931,,,,\n{row}\nz,z.jpg,,,,,,\n")
    assert [good.sku for good in found.rows] == ["a", "z"]
    (error,) = found.bad
    assert (error.file, error.line, error.key) == (str(tmp_path / "catalog.csv"), 3, key)
    assert says in error.problem
    assert error.cure


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "no such column"),
        (b"image,name\nx,y", "catalog.csv:1: sku: no such column"),
        (b"sku;image\na;b", "separate columns by commas"),
        (b"sku,image,sku\na,b,c", "sku: column is there more than once"),
        ("sku,image,name\na,b,Käse".encode("latin-1"), "is not UTF-8"),
        (b'sku,image\na,"b.jpg\nc,d.jpg\n', "is not CSV"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, text: bytes, says: str) -> None:
    with pytest.raises(InvalidInput, match=r"catalog\.csv") as caught:
        parsed(tmp_path, text)
    assert says in str(caught.value)
    with pytest.raises(InvalidInput, match="cannot be read"):
        read(tmp_path / "none.csv")


def test_rows_of_a_sku_complete_each_other() -> None:
    rows = [
        CatalogRow(2, "a", "1"),
        CatalogRow(3, "a", "2", name="A"),
        CatalogRow(4, "a", "3", category="c"),
        CatalogRow(5, "b", "4"),
    ]
    assert merged_facts(rows) == {"a": {"name": "A", "category": "c"}, "b": {}}
