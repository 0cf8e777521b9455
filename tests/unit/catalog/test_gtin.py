"""GTINs of GS1's own examples, and every mistake of one digit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_match.domain.gtin import LENGTHS, check_digit, complaint, padded

GOOD = ["6291041500213", "10614141000415", "614141000036", "40170725", "036000291452", "4006381333931"]


@pytest.mark.parametrize("gtin", GOOD)
def test_real_ones_pass(gtin: str) -> None:
    assert complaint(gtin) is None


@given(st.sampled_from(GOOD), st.data())
def test_one_wrong_digit_is_always_noticed(gtin: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(gtin) - 1))
    digit = data.draw(st.sampled_from([each for each in "0123456789" if each != gtin[place]]))
    assert complaint(gtin[:place] + digit + gtin[place + 1 :]) is not None


@given(st.sampled_from(LENGTHS), st.integers(0, 10**13 - 1))
def test_leading_zeros_change_nothing(length: int, number: int) -> None:
    body = str(number).zfill(13)[-(length - 1) :]
    gtin = f"{body}{check_digit(body)}"
    assert complaint(gtin) is None
    assert complaint(padded(gtin)) is None


@pytest.mark.parametrize(
    ("gtin", "says"),
    [
        ("36000291452", "has 11 digits"),
        ("4.00638E+12", "is not a number"),
        ("٤٠١٧٠٧٢٥", "is not a number"),
        ("40170726", "its check digit is 5"),
    ],
)
def test_what_is_wrong_is_told(gtin: str, says: str) -> None:
    found = complaint(gtin)
    assert found is not None
    assert says in found[0]
    assert found[1]
