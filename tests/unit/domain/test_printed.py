"""Which print is believed, and which of two that claim one place."""

from __future__ import annotations

import pytest

from inventory_match.domain.photos import Box
from inventory_match.domain.printed import Claim, Printed, same_place, settle_claims

HERE, BESIDE = Box(0.1, 0.1, 0.3, 0.5), Box(0.31, 0.1, 0.5, 0.5)


def test_the_strongest_claim_takes_the_place_and_names_its_rival() -> None:
    sisters = [Claim("orange", HERE, 90, 0.6, 1.0), Claim("blue", HERE, 110, 0.3, 1.0)]
    [(box, printed)] = settle_claims(sisters)
    assert (box, printed.sku, printed.rival) == (HERE, "orange", "blue")
    assert printed.rival_share == pytest.approx(110 * 0.3 / (90 * 0.6), abs=1e-4)
    assert printed.clear


def test_two_that_are_nearly_as_strong_are_no_clear_answer() -> None:
    [(_, printed)] = settle_claims([Claim("a", HERE, 40, 0.9, 1.0), Claim("b", HERE, 39, 0.9, 1.0)])
    assert not printed.clear


def test_equal_packs_side_by_side_are_two_places() -> None:
    found = settle_claims([Claim("a", HERE, 40, 0.9, 1.0), Claim("a", BESIDE, 30, 0.9, 1.0)])
    assert [box for box, _ in found] == [HERE, BESIDE]
    assert all(printed.rival is None for _, printed in found)


def test_a_product_found_twice_at_one_place_is_not_its_own_rival() -> None:
    logo = Box(0.12, 0.12, 0.25, 0.2)
    [(box, printed)] = settle_claims([Claim("a", HERE, 40, 0.9, 1.0), Claim("a", logo, 39, 0.9, 1.0)])
    assert (box, printed.rival) == (HERE, None)


@pytest.mark.parametrize(
    "claim",
    [
        Claim("a", HERE, 11, 0.9, 1.0),
        Claim("a", HERE, 100, 0.29, 1.0),
        Claim("a", HERE, 100, 0.9, 0.49),
        Claim("a", HERE, 100, -1.0, 1.0),
    ],
    ids=["too few details", "other colours", "mostly outside the photo", "nothing to compare"],
)
def test_a_weak_print_is_not_believed(claim: Claim) -> None:
    assert settle_claims([claim]) == []


def test_a_part_of_a_pack_is_in_its_place_and_a_neighbour_is_not() -> None:
    assert same_place(HERE, Box(0.1, 0.1, 0.2, 0.2))
    assert not same_place(HERE, BESIDE)


def test_what_a_sighting_keeps_of_a_print_gives_it_back() -> None:
    printed = Printed("a", 40, 0.91, "b", 0.25)
    assert Printed.from_mapping(printed.as_dict()) == printed
    assert "40 details" in printed.rule
    assert "b has 25%" in printed.rule
