"""References seen again in rendered photos: how often, where, and told from their sisters."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from inventory_match.domain.photos import Box
from inventory_match.domain.printed import Claim, overlap, settle_claims
from inventory_match.rendering.camera import Light
from inventory_match.rendering.designs import product
from inventory_match.rendering.shelf import ShelfLayout, ShelfPhoto, shelf_photo
from inventory_match.rendering.studio import studio_view
from inventory_match.vision import local_features

if TYPE_CHECKING:
    from inventory_match.vision.local_features import LocalFeatures

SISTERS = [product(4242, index) for index in range(3)]


@cache
def reference(index: int) -> LocalFeatures:
    view = studio_view(product(4242, index), np.random.default_rng(1), plain=True)
    return local_features.of_reference(np.asarray(view))


def shelf(order: list[int], light: Light | None = None) -> ShelfPhoto:
    """One row of sisters, left to right."""
    packs = [SISTERS[index] for index in order]
    layout = ShelfLayout(tuple(pack.sku for pack in packs), 1, len(packs))
    return shelf_photo(layout, dict(enumerate(packs)), 7, size=(900, 420), light=light)


def claims(photo: ShelfPhoto) -> list[tuple[Box, str]]:
    features = local_features.of_photo(np.asarray(photo.image))
    found = [
        Claim(SISTERS[index].sku, one.box, one.matches, one.agreement, one.visible)
        for index in range(3)
        for one in local_features.instances(features, reference(index))
    ]
    return sorted(((box, printed.sku) for box, printed in settle_claims(found)), key=lambda one: one[0].x0)


@pytest.mark.parametrize("light", [Light(), Light(brightness=0.6, warmth=0.9)], ids=["daylight", "dim and warm"])
def test_equal_packs_side_by_side_are_each_found_and_sisters_told_apart(light: Light) -> None:
    photo = shelf([0, 0, 0, 1, 2, 2], light)
    found = claims(photo)
    assert [sku for _, sku in found] == [SISTERS[index].sku for index in (0, 0, 0, 1, 2, 2)]
    for (box, _), standing in zip(found, photo.standing, strict=True):
        union = (box.x1 - box.x0) * (box.y1 - box.y0) + _area(standing.box) - overlap(box, standing.box)
        assert overlap(box, standing.box) / union > 0.75


def _area(box: Box) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)


def test_a_pack_that_is_not_there_is_not_found() -> None:
    photo = local_features.of_photo(np.asarray(shelf([0, 1]).image))
    others = [product(4242, index) for index in (12, 18)]
    known = [
        local_features.of_reference(np.asarray(studio_view(one, np.random.default_rng(1), plain=True)))
        for one in others
    ]
    found = [Claim("x", *_fields(one)) for features in known for one in local_features.instances(photo, features)]
    assert settle_claims(found) == []


def _fields(one: local_features.Instance) -> tuple[Box, int, float, float]:
    return one.box, one.matches, one.agreement, one.visible


def test_a_pack_cut_by_the_edge_says_how_much_of_it_is_seen() -> None:
    whole = np.asarray(shelf([0, 1]).image)
    half = whole[:, : whole.shape[1] // 4 + 20]
    [one, *_] = local_features.instances(local_features.of_photo(half), reference(0))
    assert 0.35 < one.visible < 0.75
    assert one.box.x1 == 1.0


def test_a_plain_picture_has_nothing_to_find() -> None:
    plain = np.full((200, 300, 3), 128, np.uint8)
    assert local_features.instances(local_features.of_photo(plain), reference(0)) == []
    assert (
        local_features.instances(
            local_features.of_photo(np.asarray(shelf([0]).image)), local_features.of_reference(plain)
        )
        == []
    )


def test_a_large_photo_is_shrunk_and_boxes_stay_fractions() -> None:
    photo = shelf([1])
    large = np.asarray(photo.image.resize((2700, 1260), Image.Resampling.BICUBIC))
    features = local_features.of_photo(large)
    assert max(features.picture.shape) == local_features.PHOTO_SIDE
    [one, *_] = local_features.instances(features, reference(1))
    assert overlap(one.box, photo.standing[0].box) > 0.8 * _area(photo.standing[0].box)
