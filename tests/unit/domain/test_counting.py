"""Facings per product, and who owns a region: a covered lens is never a sale, one shopper moves nothing."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_match.domain.counting import Answer, Facings, RegionSeen, count, reassign
from inventory_match.domain.ledger import Effect

HIDDEN = (Answer.UNKNOWN, Answer.NOT_ASSESSABLE)
SKUS = ("A", "B", "C")


def shelf(*regions: str) -> list[RegionSeen]:
    """`A`..`Z`: that product; `.`: void; `?`: unknown; `#`: not assessable."""
    answers = {".": Answer.VOID, "?": Answer.UNKNOWN, "#": Answer.NOT_ASSESSABLE}
    return [
        RegionSeen(i, answers[one]) if one in answers else RegionSeen(i, Answer.PRODUCT, one)
        for i, one in enumerate(regions)
    ]


def facings(counts: list[Facings]) -> dict[str, int | None]:
    return {one.sku: one.facings for one in counts}


REGION = st.sampled_from([*SKUS, ".", "?", "#"])
PHOTO = st.lists(REGION, min_size=1, max_size=6).map(lambda regions: shelf(*regions))
BELONGS = st.dictionaries(st.integers(0, 5), st.sampled_from(SKUS))
BELIEVED = st.dictionaries(st.sampled_from(SKUS), st.integers(0, 4))
EFFECTS = st.dictionaries(st.sampled_from(SKUS), st.sampled_from([*Effect, None]))


def test_products_are_counted_where_they_are_seen() -> None:
    assert facings(count(shelf("A", "B", "A"), {})) == {"A": 2, "B": 1}


def test_a_void_in_a_region_of_its_own_is_a_facing_gone() -> None:
    assert facings(count(shelf("A", "."), {0: "A", 1: "A"})) == {"A": 1}
    assert facings(count(shelf("."), {0: "A"})) == {"A": 0}


@pytest.mark.parametrize("hidden", ["?", "#"])
def test_a_hidden_region_of_its_own_leaves_a_product_uncounted(hidden: str) -> None:
    [one] = count(shelf(".", hidden), {0: "A", 1: "A"})

    assert one == Facings("A", None, hidden=(1,))


def test_a_region_that_was_never_anybodys_hides_nobody() -> None:
    assert facings(count(shelf("A", "?"), {0: "A"})) == {"A": 1}


def test_a_product_out_of_place_that_went_away_is_gone() -> None:
    """B was once counted in a region of A's and owns none; it must not stay on the books for ever."""
    assert facings(count(shelf("A"), {0: "A"}, {"B": 1})) == {"A": 1, "B": 0}


def test_a_product_out_of_place_is_not_gone_while_the_lens_is_covered() -> None:
    assert facings(count(shelf("#"), {0: "A"}, {"B": 1})) == {"A": None, "B": None}


def test_a_product_out_of_place_that_is_seen_is_counted_beside_a_hidden_one() -> None:
    """Else a region that stays unknown for ever would keep a newcomer from ever being settled."""
    assert facings(count(shelf("B", "?"), {0: "A", 1: "C"}, {"B": 1})) == {"A": 0, "B": 1, "C": None}


@given(PHOTO, BELONGS, BELIEVED, st.data())
def test_hiding_a_region_never_lowers_a_count(
    photo: list[RegionSeen], belongs: Mapping[int, str], believed: Mapping[str, int], data: st.DataObject
) -> None:
    """Whatever is hidden: a product is then either not counted at all, or no lower than it is believed to stand."""
    hidden = data.draw(st.sampled_from(photo)).position
    covered = [RegionSeen(one.position, Answer.NOT_ASSESSABLE) if one.position == hidden else one for one in photo]
    settled = {sku: have for sku, have in believed.items() if sku not in belongs.values()}

    before = facings(count(photo, belongs, believed))
    for sku, after in facings(count(covered, belongs, believed)).items():
        seen_there = any(one.sku == sku and one.position == hidden for one in photo)
        mine = belongs.get(hidden) == sku or (sku in settled and hidden in belongs)
        if after is not None and mine:
            assert sku in settled
            assert after >= settled[sku]
        elif after is not None:
            assert after == (before[sku] or 0) - seen_there


@given(PHOTO, BELONGS, BELIEVED)
def test_a_covered_lens_counts_nothing(
    photo: list[RegionSeen], belongs: Mapping[int, str], believed: Mapping[str, int]
) -> None:
    owned = {one.position: belongs.get(one.position, "A") for one in photo}
    covered = [RegionSeen(one.position, Answer.NOT_ASSESSABLE) for one in photo]

    assert all(one.facings is None for one in count(covered, owned, believed))


def test_an_empty_region_goes_to_the_product_seen_there() -> None:
    assert reassign(shelf("A"), {}, {"A": Effect.MOVED}) == {0: "A"}


@pytest.mark.parametrize("effect", [Effect.MOVED, Effect.KEPT])
def test_a_region_changes_hands_when_the_old_owner_is_settled(effect: Effect) -> None:
    assert reassign(shelf("B"), {0: "A"}, {"A": effect, "B": Effect.AWAITING}) == {0: "B"}


@pytest.mark.parametrize("effect", [Effect.AWAITING, Effect.LATE, None])
def test_until_then_it_stays_its_own(effect: Effect | None) -> None:
    assert reassign(shelf("B"), {0: "A"}, {"A": effect, "B": Effect.MOVED}) == {}


def test_a_late_photo_gives_no_region_to_anybody() -> None:
    assert reassign(shelf("A", "B"), {1: "C"}, {"A": Effect.LATE, "B": Effect.LATE, "C": Effect.MOVED}) == {}


@given(PHOTO, BELONGS, EFFECTS)
def test_only_products_that_were_seen_take_regions(
    photo: list[RegionSeen], belongs: Mapping[int, str], effects: Mapping[str, Effect | None]
) -> None:
    seen = {one.position: one.sku for one in photo if one.answer is Answer.PRODUCT}

    for position, sku in reassign(photo, belongs, effects).items():
        assert seen[position] == sku
        assert belongs.get(position) != sku
