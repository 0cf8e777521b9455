"""Figures of counting on photos whose counts are few enough to work them out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from inventory_match.catalog_file import PixelBox
from inventory_match.learning.detections import Detection, Labelled
from inventory_match.learning.shelf_figures import PhotoRead, figures

BOX = PixelBox(0, 0, 10, 10)


def photo(counts: Mapping[str, int] | None, counted: Mapping[str, int], seconds: float = 1, **more: Any) -> PhotoRead:
    return PhotoRead("p", counted, more.pop("detections", []), seconds, "done", counts=counts, **more)


def test_counts_are_judged_pair_by_pair() -> None:
    """Four products, two photos: A 4 counted 3, B 2 counted 2, C invented; then D 1 counted 0, all else right."""
    read = [photo({"A": 4, "B": 2}, {"A": 3, "B": 2, "C": 1}), photo({"D": 1, "A": 0}, {})]

    found = figures(read, {"A", "B", "C", "D"}, exhaustive=False)

    assert found.count_mape == pytest.approx((1 / 4 + 0 + 1) / 3)
    assert found.exact_count_rate == pytest.approx(5 / 8)
    assert found.exact_present_rate == pytest.approx(1 / 3)
    assert (found.photos_fully_right, found.photos) == (0, 2)
    assert (found.recall_at_50, found.ap50, found.identity_accuracy) == (None, None, None)


def test_a_product_without_reference_is_a_pair_of_every_photo() -> None:
    found = figures([photo({"A": 1}, {"A": 1}), photo({"X": 1}, {})], {"A"}, exhaustive=False)
    assert found.exact_count_rate == pytest.approx(3 / 4)
    assert found.photos_fully_right == 1


def test_an_empty_shelf_that_was_counted_empty_is_right_and_has_no_relative_error() -> None:
    found = figures([photo({}, {})], {"A"}, exhaustive=False)
    assert (found.exact_count_rate, found.photos_fully_right) == (1.0, 1)
    assert (found.count_mape, found.exact_present_rate) == (None, None)


def test_without_counts_there_are_figures_of_boxes_only() -> None:
    seen = photo(None, {"A": 1}, detections=[Detection(BOX, 0.9, "A", "A")], labels=[Labelled(BOX, "A")])
    found = figures([seen], {"A"}, exhaustive=True)
    assert (found.count_mape, found.exact_count_rate, found.photos_fully_right) == (None, None, None)
    assert (found.recall_at_50, found.ap50, found.identity_accuracy) == (1.0, 1.0, 1.0)


def test_an_unknown_crop_is_not_decided_right_and_a_product_without_reference_is_not_asked() -> None:
    places = [PixelBox(x, 0, x + 10, 10) for x in (0, 100, 200)]
    detections = [Detection(places[0], 0.9, "A", "A"), Detection(places[1], 0.8, None, "B"), Detection(places[2], 0.7)]
    labels = [Labelled(place, sku) for place, sku in zip(places, ("A", "B", "X"), strict=True)]
    seen = photo(None, {"A": 1}, detections=detections, labels=labels)

    found = figures([seen], {"A", "B"}, exhaustive=False)
    assert found.decided_accuracy == pytest.approx(1 / 2)
    assert found.identity_accuracy == 1.0, "its best candidate is right"


def test_precision_is_given_only_where_labels_are_exhaustive() -> None:
    seen = photo(None, {}, detections=[Detection(BOX, 0.9)], labels=[Labelled(BOX, "A")])
    assert figures([seen], {"A"}, exhaustive=False).ap50 is None


def test_a_photo_without_labels_does_not_spoil_the_precision_of_others() -> None:
    sure_and_unlabelled = photo({"A": 1}, {}, detections=[Detection(BOX, 0.99)])
    labelled = photo(None, {}, detections=[Detection(BOX, 0.5)], labels=[Labelled(BOX, "A")])
    assert figures([sure_and_unlabelled, labelled], {"A"}, exhaustive=True).ap50 == 1.0


def test_the_first_photo_warms_up() -> None:
    read = [photo({}, {}, seconds) for seconds in (9, 1, 2, 4)]
    assert figures(read, {"A"}, exhaustive=False).seconds_per_photo == 2
    assert figures(read[:1], {"A"}, exhaustive=False).seconds_per_photo == 9
