"""What a photo is: one version of one S3 object, where it may rest, and when it was taken.

A photo is named by (bucket, key, version): the version id where the bucket keeps versions, else the unquoted ETag. Events
and scans name it alike, so that seeing it twice changes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

CLOCK_TOLERANCE = timedelta(minutes=5)
"""A camera clock further than this ahead of the upload is not believed."""
FIRST_YEAR = 1970
"""A clock that was never set begins here; no photo and no event is older."""


class PhotoState(StrEnum):
    """Waiting states first, then the states a photo rests in."""

    REGISTERED = "registered"
    PROCESSING = "processing"
    UNROUTED = "unrouted"
    DONE = "done"
    EMPTY = "empty"
    REJECTED = "rejected"
    NEEDS_REVIEW = "needs_review"
    SUPERSEDED = "superseded"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One version of one S3 object. `version_id` is None on buckets without versions; then `etag` pins the bytes."""

    bucket: str
    key: str
    version_id: str | None
    etag: str

    @property
    def version(self) -> str:
        """The part of the photo's name that tells two uploads of one key apart."""
        return self.version_id or self.etag


@dataclass(frozen=True, slots=True)
class PhotoUploaded:
    """An object was created, as an event or a scan says. `sequencer` is None where the sender has none."""

    ref: ObjectRef
    event_time: datetime
    size: int | None = None
    sequencer: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectRemoved:
    """An object, or one version of it, was deleted. `version_id` and `etag` are what the event tells, often nothing."""

    bucket: str
    key: str
    version_id: str | None
    event_time: datetime
    sequencer: str | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in fractions of the image, 0 <= x0 < x1 <= 1 and the same for y; the origin is the top left."""

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        if not (0 <= self.x0 < self.x1 <= 1 and 0 <= self.y0 < self.y1 <= 1):
            raise ValueError(f"box {self} is not inside the unit square with x0 < x1 and y0 < y1")

    def pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Whole-pixel corners (left, top, right, bottom), at least one pixel wide and high."""
        left, top = min(int(self.x0 * width), width - 1), min(int(self.y0 * height), height - 1)
        right, bottom = max(round(self.x1 * width), left + 1), max(round(self.y1 * height), top + 1)
        return left, top, min(right, width), min(bottom, height)


WHOLE = Box(0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Quality:
    """Measured on the decoded photo: mean luma and its standard deviation in 0..255, sharpness as the variance of the
    Laplacian of the luma at 512 px."""

    brightness: float
    contrast: float
    sharpness: float


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """Below any of these a photo cannot be judged; 0 switches a limit off."""

    min_brightness: float = 12.0
    min_contrast: float = 4.0
    min_sharpness: float = 4.0

    def complaint(self, quality: Quality) -> str | None:
        """Why the photo cannot be judged, with the figure and the limit, or None."""
        for name, have, least in (
            ("too dark: brightness", quality.brightness, self.min_brightness),
            ("blank: contrast", quality.contrast, self.min_contrast),
            ("too blurred: sharpness", quality.sharpness, self.min_sharpness),
        ):
            if have < least:
                return f"{name} {have:.1f} is below {least:.1f}"
        return None


@dataclass(frozen=True, slots=True)
class Captured:
    """When the photo was taken, who says so (`key`, `exif`, `event`), and whether a clock ahead of time was overruled."""

    at: datetime
    source: str
    clock_ahead: bool = False


def captured_at(uploaded_at: datetime, *, from_key: datetime | None, from_exif: datetime | None) -> Captured:
    """The most trusted time that is not in the future of the upload by more than `CLOCK_TOLERANCE`.

    A camera whose clock says 2099 must not freeze its shelf: such a time is flagged and replaced by the event's. One from
    before all clocks of cameras is none: shown in a zone west of its own, year 1 would lie before what Python can hold.
    """
    for source, at in (("key", from_key), ("exif", from_exif)):
        if at is not None and at.year >= FIRST_YEAR:
            if at - uploaded_at > CLOCK_TOLERANCE:
                return Captured(uploaded_at, "event", clock_ahead=True)
            return Captured(at, source)
    return Captured(uploaded_at, "event")


_ANY, _REST = r"[^/]*", r".*"
_TIME = r"(?P<captured_at>[0-9]{8}T[0-9]{6}(?:[0-9]{1,6})?Z?)"
_WILD = {"captured_at": _TIME, "any": _ANY, "rest": _REST}
_FIELDS = ("store", "camera", *_WILD)


@dataclass(frozen=True, slots=True)
class KeyPattern:
    """An S3 key prefix (`cams/a1/`), or a pattern with fields (`{store}/{camera}/{captured_at}.jpg`).

    Fields: `store`, `camera` (the camera's own codes), `captured_at` (20260131T235959, with or without a trailing Z, always
    UTC), `any` (within one path part), `rest` (anything). Each but `any` may be used once.
    """

    text: str

    def __post_init__(self) -> None:
        fields = re.findall(r"\{([^}]*)\}", self.text)
        unknown = set(fields) - set(_FIELDS)
        if unknown or not self.text:
            raise ValueError(f"unknown field {sorted(unknown)} in key pattern {self.text!r}; known: {sorted(_FIELDS)}")
        twice = [field for field in _FIELDS if field != "any" and fields.count(field) > 1]
        if twice:
            raise ValueError(f"key pattern {self.text!r} uses a field twice: {', '.join(twice)}")

    def match(self, key: str, *, store: str, camera: str) -> KeyMatch | None:
        found = _regex(self.text, store, camera).fullmatch(key)
        return KeyMatch(_time(found.groupdict().get("captured_at"))) if found else None


@lru_cache(maxsize=4096)
def _regex(pattern: str, store: str, camera: str) -> re.Pattern[str]:
    """The expression for the keys of one camera.

    Whoever uploads chooses the key, so it must not be able to send the search back and forth: a wildcard followed by one
    that takes whatever it leaves ends at the first place it can, for good (`(?>...)`).
    """
    parts = re.split(r"\{([^}]*)\}", pattern)
    if len(parts) == 1:
        return re.compile(re.escape(pattern) + _REST, re.DOTALL)
    own, wilds, literals = {"store": store, "camera": camera}, list[str](), [""]
    for i, part in enumerate(parts):
        if i % 2 == 0 or part in own:
            literals[-1] += part if i % 2 == 0 else own[part]
        else:
            wilds.append(_WILD[part])
            literals.append("")
    body = re.escape(literals[0])
    for wild, following, literal in zip(wilds, [*wilds[1:], ""], literals[1:], strict=True):
        takes_over = following == _REST or (wild == following == _ANY and "/" not in literal)
        plain = re.escape(literal)
        body += f"(?>{wild}?{plain})" if takes_over and wild != _TIME else f"{wild}{plain}"
    return re.compile(body, re.DOTALL)


@dataclass(frozen=True, slots=True)
class KeyMatch:
    """A key that belongs to a camera, and the time it carries, if any."""

    captured_at: datetime | None


def may_share_a_key(one: str, other: str) -> bool:
    """Whether some key might fit both key patterns: False is certain, True may be too careful."""
    if "{" not in one or "{" not in other or "{rest}" in one + other:
        return not _ends_differ(*(text if "{" in text else text + "{rest}" for text in (one, other)))
    # No other field crosses a slash, so the parts of the path can be compared one by one.
    ours, theirs = one.split("/"), other.split("/")
    return len(ours) == len(theirs) and not any(map(_ends_differ, ours, theirs))


def _ends_differ(one: str, other: str) -> bool:
    """Whether the literal beginnings, or the literal ends, of two texts with fields contradict each other."""
    if "{" not in one and "{" not in other:
        return one != other
    heads = one.partition("{")[0], other.partition("{")[0]
    tails = one.rpartition("}")[2], other.rpartition("}")[2]
    return not (
        (heads[0].startswith(heads[1]) or heads[1].startswith(heads[0]))
        and (tails[0].endswith(tails[1]) or tails[1].endswith(tails[0]))
    )


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    digits = text.rstrip("Z")
    try:
        base = datetime.strptime(digits[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return base.replace(microsecond=int(digits[15:].ljust(6, "0")))


def later(sequencer: str | None, other: str | None) -> bool:
    """Whether `sequencer` is later than `other`: S3 pads the shorter one with zeros on the right and compares as text."""
    if sequencer is None or other is None:
        return False
    width = max(len(sequencer), len(other))
    return sequencer.upper().ljust(width, "0") > other.upper().ljust(width, "0")
