"""Designs are data that follow from (seed, index): article numbers hold, families look alike, ranges differ."""

from __future__ import annotations

import pytest

from inventory_match.rendering.artwork import ean13_modules
from inventory_match.rendering.designs import SISTERS, check_digit, product

RANGE = [product(5, index) for index in range(150)]


@pytest.mark.parametrize("gtin", ["4006381333931", "5901234123457", "9780201379624", "0012345678905"])
def test_check_digit_of_published_numbers(gtin: str) -> None:
    assert check_digit(gtin[:-1]) == int(gtin[-1])


def test_every_gtin_is_valid_and_unique() -> None:
    for design in RANGE:
        digits = [int(digit) for digit in design.gtin]
        assert len(digits) == 13
        assert (sum(digits[0::2]) + 3 * sum(digits[1::2])) % 10 == 0
    for names in ({d.gtin for d in RANGE}, {d.sku for d in RANGE}, {d.name for d in RANGE}):
        assert len(names) == len(RANGE)


def test_another_seed_is_another_range() -> None:
    assert [product(5, index) for index in range(150)] == RANGE
    assert not {design.gtin for design in RANGE} & {product(6, index).gtin for index in range(150)}


def test_a_shop_of_24_fills_eight_categories_with_sisters() -> None:
    assert len({design.category for design in RANGE[:24]}) == 8
    for first in range(0, len(RANGE), SISTERS):
        family = RANGE[first : first + SISTERS]
        assert len({(d.brand, d.shape, d.template, d.aspect) for d in family}) == 1
        assert len({d.variety for d in family}) == SISTERS


def test_barcode_reads_back_as_its_number() -> None:
    right = [
        "1110010",
        "1100110",
        "1101100",
        "1000010",
        "1011100",
        "1001110",
        "1010000",
        "1000100",
        "1001000",
        "1110100",
    ]
    left = {code.translate(str.maketrans("01", "10")): digit for digit, code in enumerate(right)}
    left |= {code[::-1]: digit for digit, code in enumerate(right)}
    bars = ean13_modules(RANGE[0].gtin)
    assert (len(bars), bars[:3], bars[45:50], bars[-3:]) == (95, "101", "01010", "101")
    first = [left[bars[start : start + 7]] for start in range(3, 45, 7)]
    second = [right.index(bars[start : start + 7]) for start in range(50, 92, 7)]
    assert "".join(map(str, first + second)) == RANGE[0].gtin[1:]
