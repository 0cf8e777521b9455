"""A planogram file becomes planned slots; whatever is wrong with it is told with file, line, key and cure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from inventory_match import planogram_file
from inventory_match.domain.errors import InvalidInput
from inventory_match.domain.fixtures import Extent, rows_of

GOOD = """\
name = "Snacks"
[[rows]]
positions = [
    { sku = "oat", facings = 3 },
    "nut",
]
[[rows]]
positions = ["fig"]
"""


def slots(text: str, file: str = "plan.toml") -> list[tuple[int, int, str, int]]:
    found = planogram_file.parse(text, file).planned
    return [(one.row, one.place, "|".join(one.codes), one.facings) for one in found]


def refused(text: str, file: str = "plan.toml") -> str:
    with pytest.raises(InvalidInput) as raised:
        planogram_file.parse(text, file)
    return str(raised.value)


def test_rows_from_the_top_positions_from_the_left() -> None:
    assert slots(GOOD) == [(1, 1, "oat", 3), (1, 2, "nut", 1), (2, 1, "fig", 1)]
    assert planogram_file.parse(GOOD, "plan.toml").name == "Snacks"


def test_the_same_as_json_is_called_by_its_file_where_it_has_no_name() -> None:
    same = {"rows": [{"positions": [{"sku": "oat", "facings": 3}, "nut"]}, {"positions": ["fig"]}]}

    assert slots(json.dumps(same), "plan.JSON") == slots(GOOD)
    assert planogram_file.parse(json.dumps(same), "plans/week-12.json").name == "week-12"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rows = [", "plan.toml:1: is not TOML"),
        ('[[rows]]\npositions = [\n  { skus = "a" },\n]', "plan.toml:2: rows[1].positions[1].sku: is missing (add it)"),
        (
            '[[rows]]\npositions = ["a"]\n[[rows]]\nposition = []',
            "plan.toml:4: rows[2].position: is not a key of the pl",
        ),
        ('[[rows]]\npositions = [{ sku = "a", facings = 0 }]', "rows[1].positions[1].facings: Input should be greater"),
        ('[[rows]]\npositions = []\n[[rows]]\npositions = ["a"]', "plan.toml:2: rows[1].positions: plans nothing"),
        ("rows = []", "plan.toml: no product is planned (add a row with at least one position)"),
        (
            '[[rows]]\npositions = [{ sku = "a", facings = 999 }]',
            "plan.toml:2: rows[1].positions[1]: row 1 has more than",
        ),
    ],
)
def test_mistakes_are_told_with_line_key_and_cure(text: str, told: str) -> None:
    assert told in refused(text)


def test_json_that_is_none_is_told() -> None:
    assert "plan.json:2: is not JSON" in refused('{"rows":\n', "plan.json")
    assert "is not a JSON object" in refused("[]", "plan.json")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        planogram_file.read(tmp_path / "none.toml")


def drawn(**changed: Any) -> str:
    """Two bays beside each other over one wide shelf; tea stands on tea, and the drawing was not made from left to right."""
    plan: dict[str, Any] = {
        "width": 200, "height": 100,
        "products": [
            {"id": "1", "name": "tea", "w": 10, "h": 10}, {"id": "4006381333931", "name": "pen", "w": 20, "h": 20},
            {"id": "3", "name": "jam", "w": 10, "h": 12.5},
        ],
        "fixtures": [
            {"id": "low", "w": 200, "h": 4, "x": 0, "y": 90}, {"id": "right", "w": 100, "h": 4, "x": 100, "y": 41},
            {"id": "left", "w": 100, "h": 4, "x": 0, "y": 40}, {"id": "bare", "w": 200, "h": 4, "x": 0, "y": 60},
        ],
        "positions": [
            {"id": "e", "productId": "3", "fixtureId": "low", "x": 0, "y": 77.5},
            {"id": "a", "productId": "3", "fixtureId": "right", "x": 110, "y": 28.5},
            {"id": "b", "productId": "1", "fixtureId": "left", "x": 50, "y": 20},
            {"id": "c", "productId": "1", "fixtureId": "left", "x": 50, "y": 30},
            {"id": "d", "productId": "4006381333931", "fixtureId": "left", "x": 10, "y": 20},
        ],
    }  # fmt: skip
    return json.dumps(plan | changed)


def test_a_plan_drawn_in_coordinates_is_read_as_rows() -> None:
    assert slots(drawn(), "drawn.json") == [
        (1, 1, "4006381333931|pen", 1),
        (1, 2, "1|tea", 1),
        (1, 3, "1|tea", 1),
        (1, 4, "3|jam", 1),
        (2, 1, "3|jam", 1),
    ]
    assert slots(json.dumps({"detectedProducts": {}, "planogram": json.loads(drawn())}), "request.json") == slots(
        drawn(), "drawn.json"
    )


def test_stacked_positions_follow_from_the_lowest_up() -> None:
    keys = [one.key for one in planogram_file.parse(drawn(), "drawn.json").planned]

    assert keys[1:3] == [("positions", 3), ("positions", 2)]


def test_what_a_drawn_plan_names_and_does_not_list_is_told() -> None:
    stray = [{"id": "a", "productId": "9", "fixtureId": "attic", "x": 0, "y": 0}]
    told = refused(drawn(positions=[*stray, *stray]), "drawn.json")

    assert "drawn.json: 5 mistakes" in told
    assert "positions[1].productId: '9' is not among the products (correct it, or list it)" in told
    assert "positions[2].fixtureId: 'attic' is not among the fixtures" in told
    assert "positions[2].id: 'a' is taken by positions[1] (ids are unique)" in told
    assert "w: Input should be greater than 0" in refused(drawn(products=[{"id": "1", "w": 0, "h": 1}]), "drawn.json")


def test_shelves_of_several_bays_are_rows_whichever_bay_hangs_a_little_higher() -> None:
    bays = [
        Extent(0, 10, 50, 4),
        Extent(50, 8, 50, 4),
        Extent(0, 40, 50, 4),
        Extent(50, 42, 50, 4),
        Extent(0, 5, 50, 1),
    ]

    assert rows_of(bays) == [2, 2, 3, 3, 1]
