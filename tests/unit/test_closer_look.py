"""What prints make of the boxes a finder found: whole packs, each once, whoever found them."""

from __future__ import annotations

import numpy as np

from inventory_match.closer_look import elsewhere, left_open, refined
from inventory_match.domain.matching import Candidate, Thresholds
from inventory_match.domain.photos import Box
from inventory_match.domain.printed import Printed
from inventory_match.ports import Region

LEFT, RIGHT = Box(0.0, 0.1, 0.3, 0.9), Box(0.31, 0.1, 0.6, 0.9)
A, B = Printed("a", 40, 0.9), Printed("b", 50, 0.8)


def seen(regions: list[Region], *prints: tuple[Box, Printed]) -> dict[int, tuple[Box, str, str | None]]:
    return {
        region.position: (region.box, region.answer, said.sku if said else None)
        for region, said in refined(regions, prints)
    }


def test_a_box_gets_the_extent_of_its_print_and_keeps_its_number() -> None:
    loose = Region(7, Box(0.05, 0.15, 0.28, 0.8))
    assert seen([loose], (LEFT, A)) == {7: (LEFT, "candidate", "a")}


def test_parts_of_one_pack_become_one_under_the_number_of_the_best() -> None:
    parts = [Region(-1, Box(0.0, 0.1, 0.3, 0.3)), Region(-2, Box(0.0, 0.2, 0.3, 0.9)), Region(-3, RIGHT)]
    assert seen(parts, (LEFT, A)) == {-2: (LEFT, "candidate", "a"), -3: (RIGHT, "candidate", None)}


def test_one_box_around_two_packs_becomes_two() -> None:
    both = Region(4, Box(0.0, 0.1, 0.6, 0.9))
    found = seen([both], (LEFT, A), (RIGHT, B))
    assert found == {4: (LEFT, "candidate", "a"), -1: (RIGHT, "candidate", "b")}


def test_a_pack_nobody_found_is_a_new_region_below_those_of_the_finder() -> None:
    assert seen([Region(-3, LEFT)], (RIGHT, B)) == {-3: (LEFT, "candidate", None), -4: (RIGHT, "candidate", "b")}
    assert seen([], (RIGHT, B)) == {-1: (RIGHT, "candidate", "b")}


def test_a_remembered_place_taken_for_hidden_is_a_pack_where_its_print_is_seen() -> None:
    [(region, said)] = refined([Region(3, LEFT, "not_assessable", "too blurred", remembered=True)], [(LEFT, A)])
    assert (region.position, region.answer, region.reason, region.remembered, said) == (3, "candidate", None, True, A)


def test_a_closer_look_is_worth_what_nobody_named_and_resembles_something() -> None:
    """In order: named; like a named one; open; resembles nothing; nothing to resemble."""
    turns = np.radians([0, 5, 80, 80, 80])
    embeddings = np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)
    found = [
        (Candidate("jam", 0.9), Candidate("tea", 0.2)),
        (Candidate("jam", 0.7), Candidate("tea", 0.2)),
        (Candidate("jam", 0.7), Candidate("tea", 0.2)),
        (Candidate("jam", 0.3), Candidate("tea", 0.2)),
        (),
    ]
    thresholds = Thresholds(accept=0.8, margin=0.05)
    assert left_open(embeddings, found, thresholds, alike=True) == [2]
    assert left_open(embeddings, found, thresholds, alike=False) == [1, 2]


def test_a_print_says_nothing_of_a_facing_that_was_named() -> None:
    assert elsewhere([(LEFT, A), (RIGHT, B)], [Box(0.02, 0.1, 0.28, 0.9)]) == [(RIGHT, B)]
    assert elsewhere([(LEFT, A)], []) == [(LEFT, A)]
