"""Matching and average precision, against figures worked out by hand."""

from __future__ import annotations

import pytest

from inventory_match.catalog_file import PixelBox
from inventory_match.learning.detections import Detection, Labelled, average_precision, match, overlap, recall


def box(x0: float, wide: float = 10) -> PixelBox:
    return PixelBox(x0, 0, x0 + wide, 10)


def test_overlap_is_shared_area_over_joint_area() -> None:
    assert overlap(box(0), box(5)) == pytest.approx(5 / 15)
    assert overlap(box(0), box(0)) == 1.0
    assert overlap(box(0), box(10)) == 0.0
    assert overlap(box(0), PixelBox(0, 20, 10, 30)) == 0.0


def test_the_surest_detection_chooses_first_and_takes_what_it_overlaps_most() -> None:
    left, right = Labelled(box(0), "A"), Labelled(box(12), "B")
    unsure, sure, doubled = Detection(box(0), 0.2), Detection(box(1), 0.9), Detection(box(11), 0.5)

    pairs = match([unsure, sure, doubled], [left, right])

    assert [(pair.detection, pair.label) for pair in pairs] == [(sure, left), (doubled, right), (unsure, None)]
    assert recall(pairs, 2) == 1.0


def test_half_is_enough_and_less_is_not() -> None:
    label = Labelled(box(0), "A")
    assert match([Detection(box(0, wide=20), 0.9)], [label])[0].label is label
    assert match([Detection(box(0, wide=20.1), 0.9)], [label])[0].label is None


def test_a_second_box_on_one_product_takes_its_neighbour_only_where_it_overlaps_it() -> None:
    labels = [Labelled(box(0), "A"), Labelled(box(4), "A")]
    pairs = match([Detection(box(0), 0.9), Detection(box(1), 0.8)], labels)
    assert [pair.label for pair in pairs] == labels


def test_average_precision_is_the_area_under_the_envelope() -> None:
    """Hits and misses from the surest down: 1, 0, 1, 0, 1 of four labels. Precision at the hits: 1, 2/3, 3/5; the envelope
    is the same; each is worth a quarter of recall, and the last quarter is never reached."""
    labels = [Labelled(box(place * 100), "A") for place in range(4)]
    scored = [(0, 0.9), (1000, 0.8), (100, 0.7), (2000, 0.6), (200, 0.5)]
    pairs = match([Detection(box(x), score) for x, score in scored], labels)
    assert average_precision(pairs, 4) == pytest.approx((1 + 2 / 3 + 3 / 5) / 4)


def test_a_late_run_of_hits_lifts_the_precision_before_it() -> None:
    """Miss, hit, hit: the envelope at the first hit is the 2/3 of the second, not its own 1/2."""
    labels = [Labelled(box(0), "A"), Labelled(box(100), "A")]
    pairs = match([Detection(box(1000), 0.9), Detection(box(0), 0.8), Detection(box(100), 0.7)], labels)
    assert average_precision(pairs, 2) == pytest.approx(2 / 3)


def test_without_labels_there_is_no_share() -> None:
    pairs = match([Detection(box(0), 0.9)], [])
    assert recall(pairs, 0) is None
    assert average_precision(pairs, 0) is None
