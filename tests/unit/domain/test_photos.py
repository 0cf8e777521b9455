"""Names, boxes, clocks and keys of photos."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_match.domain.photos import (
    WHOLE,
    Box,
    Captured,
    KeyPattern,
    ObjectRef,
    Quality,
    QualityLimits,
    captured_at,
    later,
)

UPLOADED = datetime(2026, 3, 2, 12, tzinfo=UTC)
SEQUENCER = st.text("0123456789abcdefABCDEF", min_size=1, max_size=20)
FRACTION = st.floats(0, 1)


def test_a_photo_is_named_by_its_version_and_else_by_its_etag() -> None:
    assert ObjectRef("b", "k", "v1", "e").version == "v1"
    assert ObjectRef("b", "k", None, "e").version == "e"


class TestCapturedAt:
    def test_the_key_comes_before_exif_and_exif_before_the_event(self) -> None:
        key, exif = UPLOADED - timedelta(hours=2), UPLOADED - timedelta(hours=1)

        assert captured_at(UPLOADED, from_key=key, from_exif=exif) == Captured(key, "key")
        assert captured_at(UPLOADED, from_key=None, from_exif=exif) == Captured(exif, "exif")
        assert captured_at(UPLOADED, from_key=None, from_exif=None) == Captured(UPLOADED, "event")

    def test_a_clock_that_says_2099_does_not_freeze_the_shelf(self) -> None:
        wrong = datetime(2099, 1, 1, tzinfo=UTC)
        overruled = Captured(UPLOADED, "event", clock_ahead=True)

        assert captured_at(UPLOADED, from_key=wrong, from_exif=None) == overruled
        assert captured_at(UPLOADED, from_key=None, from_exif=wrong) == overruled
        assert captured_at(UPLOADED, from_key=wrong, from_exif=UPLOADED) == overruled

    def test_five_minutes_ahead_are_believed_and_not_more(self) -> None:
        edge = UPLOADED + timedelta(minutes=5)

        assert captured_at(UPLOADED, from_key=edge, from_exif=None) == Captured(edge, "key")
        assert captured_at(UPLOADED, from_key=edge + timedelta(seconds=1), from_exif=None).clock_ahead

    @given(st.datetimes(timezones=st.just(UTC)))
    def test_no_photo_is_ever_from_the_future(self, claimed: datetime) -> None:
        assert captured_at(UPLOADED, from_key=claimed, from_exif=None).at <= UPLOADED + timedelta(minutes=5)


class TestKeyPattern:
    @pytest.mark.parametrize(
        ("pattern", "key", "fits"),
        [
            ("cams/a1/", "cams/a1/x/y.jpg", True),
            ("cams/a1/", "cams/a10/x.jpg", False),
            ("cams/a.1/", "cams/ax1/y.jpg", False),  # a dot is a dot
            ("{store}/{camera}/{any}.jpg", "s1/c1/x.jpg", True),
            ("{store}/{camera}/{any}.jpg", "s1/c2/x.jpg", False),
            ("{store}/{camera}/{any}.jpg", "s2/c1/x.jpg", False),
            ("{store}/{camera}/{any}.jpg", "s1/c1/x/y.jpg", False),
            ("{store}/{camera}/{rest}", "s1/c1/x/y\nz.jpg", True),
            ("in/{captured_at}.jpg", "in/20260131T235959.jpg", True),
            ("in/{captured_at}.jpg", "in/yesterday.jpg", False),
        ],
    )
    def test_which_keys_fit(self, pattern: str, key: str, fits: bool) -> None:
        assert (KeyPattern(pattern).match(key, store="s1", camera="c1") is not None) is fits

    @pytest.mark.parametrize(
        ("text", "at"),
        [
            ("20260131T235959", datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)),
            ("20260131T235959Z", datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)),
            ("20260131T2359597Z", datetime(2026, 1, 31, 23, 59, 59, 700_000, tzinfo=UTC)),
            ("20260131T235959000123", datetime(2026, 1, 31, 23, 59, 59, 123, tzinfo=UTC)),
            ("20260231T235959", None),  # there is no such day
            ("00000101T000000", None),
        ],
    )
    def test_the_time_in_a_key_is_utc(self, text: str, at: datetime | None) -> None:
        match = KeyPattern("{captured_at}").match(text, store="s", camera="c")

        assert match is not None
        assert match.captured_at == at

    @pytest.mark.parametrize(
        ("pattern", "named"), [("", "unknown"), ("a/{shelf}/", "shelf"), ("{any}/{store}/{store}", "twice")]
    )
    def test_a_pattern_that_makes_no_sense_says_why(self, pattern: str, named: str) -> None:
        with pytest.raises(ValueError, match=named):
            KeyPattern(pattern)

    @given(st.text(min_size=1).filter(lambda text: not re.search(r"\{[^}]*\}", text)), st.text())
    def test_a_prefix_fits_whatever_begins_with_it(self, prefix: str, rest: str) -> None:
        assert KeyPattern(prefix).match(prefix + rest, store="s", camera="c") is not None


class TestLater:
    @pytest.mark.parametrize(
        ("one", "other", "is_later"),
        [
            ("0055AED6DCD90281E5", "0055AED6DCD90281E4", True),
            ("0055AED6DCD90281E5", "0055AED6DCD90281E5", False),
            ("01", "0055AED6DCD90281E5", True),  # shorter, yet later: padded on the right
            ("0055", "00550", False),
            ("00ab", "00AA", True),
            (None, "00", False),
            ("00", None, False),
        ],
    )
    def test_as_text_padded_on_the_right(self, one: str | None, other: str | None, is_later: bool) -> None:
        assert later(one, other) is is_later

    @given(SEQUENCER, SEQUENCER)
    def test_one_of_two_is_later_unless_they_are_the_same(self, one: str, other: str) -> None:
        width = max(len(one), len(other))
        same = one.upper().ljust(width, "0") == other.upper().ljust(width, "0")

        assert later(one, other) + later(other, one) == (0 if same else 1)


class TestBox:
    @pytest.mark.parametrize(
        "corners",
        [(0.5, 0, 0.5, 1), (0.6, 0, 0.5, 1), (-0.1, 0, 1, 1), (0, 0, 1.1, 1), (0, 1, 1, 1), (float("nan"), 0, 1, 1)],
    )
    def test_a_box_outside_the_image_is_refused(self, corners: tuple[float, float, float, float]) -> None:
        with pytest.raises(ValueError, match="unit square"):
            Box(*corners)

    def test_the_whole_image(self) -> None:
        assert WHOLE.pixels(640, 480) == (0, 0, 640, 480)

    @given(FRACTION, FRACTION, FRACTION, FRACTION, st.integers(1, 5000), st.integers(1, 5000))
    def test_pixels_stay_inside_and_are_never_empty(
        self, x: float, y: float, right: float, bottom: float, width: int, height: int
    ) -> None:
        if not (x < right and y < bottom):
            return
        x0, y0, x1, y1 = Box(x, y, right, bottom).pixels(width, height)

        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height


def test_the_first_figure_that_is_too_low_is_named_with_its_limit() -> None:
    limits = QualityLimits(min_brightness=12, min_contrast=4, min_sharpness=4)

    assert limits.complaint(Quality(128, 50, 100)) is None
    assert limits.complaint(Quality(3, 1, 0)) == "too dark: brightness 3.0 is below 12.0"
    assert limits.complaint(Quality(128, 1, 0)) == "blank: contrast 1.0 is below 4.0"
    assert limits.complaint(Quality(128, 50, 0.5)) == "too blurred: sharpness 0.5 is below 4.0"
    assert QualityLimits(0, 0, 0).complaint(Quality(0, 0, 0)) is None
