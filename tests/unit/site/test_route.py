"""The camera with the longest literal beginning takes a key, and only if its pattern fits the whole of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from inventory_match.domain.photos import may_share_a_key
from inventory_match.domain.site import Camera, Site, Store, problems, route

WIDE = Camera("wide", "s1", "a", "product", "cams/")
FINE = Camera("fine", "s1", "b", "shelf", "cams/fine/{captured_at}.jpg")
OTHER = Camera("other", "s2", "c", "shelf", "{any}/other/")


def test_the_longest_prefix_wins() -> None:
    for cameras in ([WIDE, FINE], [FINE, WIDE]):
        camera, match = route(cameras, "cams/fine/20260131T120000Z.jpg") or (None, None)
        assert camera is FINE
        assert match is not None
        assert match.captured_at == datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_a_pattern_that_does_not_fit_leaves_the_key_to_the_next() -> None:
    camera, match = route([FINE, WIDE], "cams/fine/front.jpg") or (None, None)
    assert camera is WIDE
    assert match is not None
    assert match.captured_at is None


def test_nobody_claims_the_key() -> None:
    assert route([FINE, WIDE, OTHER], "elsewhere/x.jpg") is None
    assert route([OTHER], "x/other/y.jpg") is None, "a pattern with fields must fit to its end"
    assert route([], "cams/x.jpg") is None


def test_a_pattern_without_literal_beginning_comes_last() -> None:
    wild = Camera("wild", "s2", "c", "shelf", "{rest}")
    assert (route([wild, WIDE], "cams/x.jpg") or (None,))[0] is WIDE
    assert (route([wild, WIDE], "x.jpg") or (None,))[0] is wild


@pytest.mark.parametrize(
    "pattern",
    ["{store}/{camera}/{captured_at}.jpg", "{store}/{captured_at}/{camera}.jpg", "{any}/{captured_at}_{camera}.jpg"],
)
def test_one_pattern_with_fields_may_serve_every_camera(pattern: str) -> None:
    cameras = [Camera(code, "s1", "aisle", "product", pattern) for code in ("front", "back")]
    site = Site((Store("s1", "S", locations={"aisle": "Aisle"}),), tuple(cameras))
    assert problems(site) == []
    for camera in cameras:
        key = pattern.format(store="s1", camera=camera.camera, captured_at="20260102T030405Z", any="2026-01-02")
        found = route(cameras, key)
        assert found is not None
        assert found[0] is camera


@pytest.mark.parametrize(
    ("one", "other", "may"),
    [
        ("cams/", "cams/", True),
        ("cams/", "cams/{rest}.jpg", True),
        ("{any}/a/", "{any}/b/", False),
        ("{any}-1.jpg", "{any}-11.jpg", False),
        ("{any}1.jpg", "{any}11.jpg", True),
        ("{any}/a.jpg", "{any}/b/a.jpg", False),
        ("{rest}/a.jpg", "{any}/b/a.jpg", True),
        ("{rest}.jpg", "{rest}.png", False),
        ("{any}", "", True),
    ],
)
def test_whether_two_patterns_may_share_a_key(one: str, other: str, may: bool) -> None:
    assert (may_share_a_key(one, other), may_share_a_key(other, one)) == (may, may)
