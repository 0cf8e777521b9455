"""Whoever uploads chooses the key: no pattern a site may hold lets one key keep the intake busy."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_match.domain.photos import KeyPattern

STAMP = "20260101T000000"
EXPRESSIONS = {"any": "[^/]*", "rest": ".*", "captured_at": r"[0-9]{8}T[0-9]{6}(?:[0-9]{1,6})?Z?"}


@pytest.mark.parametrize(
    "pattern",
    [
        "{any}-{any}-{any}-{any}-{any}.jpg",
        "{any}{any}{any}{any}{any}{any}.jpg",
        "{rest}-{any}-{any}-{any}-{any}.jpg",
        "{any}-{rest}-{any}-{any}.jpg",
        "{any}-{camera}-{any}-{store}-{any}.jpg",
        "{rest}{any}-{captured_at}{any}-{any}-{any}.jpg",
        "{any}/{any}/{any}-{any}-{any}/{rest}.jpg",
    ],
)
@pytest.mark.parametrize("unit", ["-", "a", "/", "-/", "-c1-s1", f"-{STAMP}"])
def test_the_worst_key_is_matched_at_once(pattern: str, unit: str) -> None:
    key = (unit * 1024)[:1023] + "!"
    started = time.thread_time()
    assert KeyPattern(pattern).match(key, store="s1", camera="c1") is None
    assert time.thread_time() - started < 0.5


FIELD = st.sampled_from(["{any}", "{any}", "{rest}", "{captured_at}", "a", "-", "/", "a-"])
PIECE = st.sampled_from(["a", "aa", "-", "/", STAMP, f"{STAMP}123"])


@given(st.lists(FIELD, min_size=1, max_size=6), st.lists(PIECE, max_size=8))
def test_what_fits_is_what_the_plain_expression_says(fields: list[str], pieces: list[str]) -> None:
    text, key = "".join(fields), "".join(pieces)
    if "{" not in text or text.count("{rest}") > 1 or text.count("{captured_at}") > 1:
        return
    parts = re.split(r"\{([^}]*)\}", text)
    plain = "".join(EXPRESSIONS[part] if i % 2 else re.escape(part) for i, part in enumerate(parts))
    fits = KeyPattern(text).match(key, store="s1", camera="c1") is not None
    assert fits == (re.fullmatch(plain, key, re.DOTALL) is not None)


def test_a_code_that_looks_like_part_of_the_key_is_found_where_it_stands() -> None:
    match = KeyPattern("{any}-{camera}-{captured_at}").match(f"x-a-b-a-b-{STAMP}", store="s1", camera="a-b")
    assert match is not None
    assert match.captured_at is not None


def test_digits_of_other_scripts_are_no_time() -> None:
    assert KeyPattern("{captured_at}").match("٢٠٢٦٠١٠١T٠٠٠٠٠٠", store="s1", camera="c1") is None
