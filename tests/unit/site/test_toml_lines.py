"""Every key of a text is found in its line, however TOML allows it to be written."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_match.toml_lines import TomlLines

TEXT = '''# a comment [not.a.header]
title = "x"
[stores.s1]
name = """
[stores.s1.policy]
two = 2
"""
assortment = [
  "a",  # ]
  "b",
]
dotted.key.here = 1
[[stores.s1.cameras]]
id = "c1"
[[stores.s1.cameras]]
id = "c2"
box = { x = 1, y = { z = 2 } }
[stores.s1.cameras.extra]
deep = true
[stores."odd name.with dots".policy]
"quoted key" = 1

[stores.s2.categories.juice.policy]
reorder_point = 3
[stores.s2]
late = 1
'''


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (("title",), 2),
        (("stores", "s1"), 3),
        (("stores", "s1", "name"), 4),
        (("stores", "s1", "assortment"), 8),
        (("stores", "s1", "assortment", 1), 8),
        (("stores", "s1", "dotted", "key", "here"), 12),
        (("stores", "s1", "cameras", 0), 13),
        (("stores", "s1", "cameras", 0, "id"), 14),
        (("stores", "s1", "cameras", 1), 15),
        (("stores", "s1", "cameras", 1, "id"), 16),
        (("stores", "s1", "cameras", 1, "box", "y", "z"), 17),
        (("stores", "s1", "cameras", 1, "extra", "deep"), 19),
        (("stores", "s1", "cameras", 1, "missing"), 15),
        (("stores", "odd name.with dots", "policy", "quoted key"), 21),
        (("stores", "s2", "categories", "juice", "policy"), 23),
        (("stores", "s2", "categories", "juice", "policy", "reorder_point"), 24),
        (("stores", "s2"), 25),
        (("stores", "s2", "late"), 26),
        (("nowhere", "at", "all"), None),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_line_of_a_key(key: tuple[str | int, ...], line: int | None, newline: str) -> None:
    assert TomlLines(TEXT.replace("\n", newline)).line(key) == line


names = st.text("abc-_9", min_size=1, max_size=4)
values = st.one_of(
    st.integers(), st.booleans(), st.text("ab]['\"#=\n", max_size=8), st.lists(st.text("[]#", max_size=3))
)


@given(
    st.dictionaries(names, st.dictionaries(names, values, min_size=1, max_size=3), min_size=1, max_size=4),
    st.booleans(),
)
def test_lines_of_any_tables(tables: dict[str, dict[str, Any]], spread: bool) -> None:
    lines, expected = [], {}
    for table, entries in tables.items():
        lines.append(f"[{table}]")
        for key, value in entries.items():
            expected[table, key] = len(lines) + 1
            lines += f"{key} = {_toml(value, spread=spread)}".split("\n")
    text = "\n".join(lines)
    assert tomllib.loads(text) == tables
    found = TomlLines(text)
    assert {key: found.line(key) for key in expected} == expected


def _toml(value: Any, *, spread: bool) -> str:
    match value:
        case bool():
            return str(value).lower()
        case list():
            gap = "\n  " if spread else " "
            return "[" + "".join(f"{gap}{_toml(each, spread=False)}," for each in value) + gap + "]"
        case str() if spread and "\n" in value:
            return '"""\n' + value.replace('"', '\\"') + '"""'
        case str():
            return '"' + value.replace('"', '\\"').replace("\n", "\\n") + '"'
        case _:
            return str(value)
