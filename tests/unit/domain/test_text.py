"""What strangers wrote, shown: nothing of it commands a terminal, begins a line, or is lost."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_match.domain.text import indented, printable


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("cams/Straße 7/棚 😀.jpg", "cams/Straße 7/棚 😀.jpg"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),  # one byte that begins a command as ESC [ does
        ("a\r\nINFO all is well", r"a\r\nINFO all is well"),
        ("a\u2028b\x85c", r"a\u2028b\x85c"),  # line ends to some
        ("gpj.\u202ecod", r"gpj.\u202ecod"),  # reads backwards
        ("\u200babc\ufeff", r"\u200babc\ufeff"),  # nothing to see
        ("\ud800", r"\ud800"),
    ],
)
def test_what_would_act_is_shown_as_its_escape(hostile: str, shown: str) -> None:
    assert printable(hostile) == shown


@given(st.text(st.characters()))
def test_whatever_it_is_it_stays_one_plain_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()
    if "\\" not in text and "'" not in text:
        assert ast.literal_eval(f"'{shown}'") == text, "and nothing is lost"


@given(st.text(st.characters()))
def test_of_several_lines_only_the_first_begins_at_the_margin(text: str) -> None:
    _, *others = indented(text).split("\n")
    assert all(line.startswith("    ") for line in others)
