"""Where in a photo a reference picture is to be seen again: local features, a vote on its pose, a look at its colours.

An embedding says what a crop resembles; it cannot say that this is the very print, nor where the pack ends. Local features
can, wherever a pack carries print: SIFT features (Lowe, IJCV 2004; compared as RootSIFT, Arandjelovic & Zisserman, CVPR 2012)
of the photo are matched to those of one reference. The ratio test looks for the second best within the *reference*, so that a
pack that stands in the photo five times over does not rival itself. Each match is a vote for the place, scale and turn of a
whole pack; votes that agree are one instance, a homography says where it ends, and what it explains is laid on the reference
and compared in colour: varieties of one brand share their print and differ in colour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from inventory_match.domain.photos import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inventory_match.ports import Image

    Floats = NDArray[np.float32]

PHOTO_SIDE, PHOTO_FEATURES = 1100, 4000
"""A photo is shrunk to this longer side, px, and so many of its strongest features are kept."""
REFERENCE_SIDE, REFERENCE_FEATURES = 400, 700

_RATIO, _FURTHEST = 0.8, 0.75
"""Of distances between RootSIFT descriptors (0..1.41): best over second best within the reference, and the best itself."""
_PLACE, _SCALE, _TURN = 0.15, 0.4, 0.35
"""How far votes of one pose may be apart: in pack sizes, in log scale, in radians."""
_AGREES = 6.0
"""Px between a feature and where the homography expects it."""
_LOOK = 64
"""Longer side, px, at which colours are compared: layout, not print."""


@dataclass(frozen=True, slots=True)
class LocalFeatures:
    """Of one picture, shrunk by `scale`: `points` (n, 4) are x, y, size, angle in px and radians of `picture`, RGB uint8
    (h, w, 3); `descriptors` (n, 128) have length 1."""

    picture: Image
    scale: float
    points: Floats
    descriptors: Floats


@dataclass(frozen=True, slots=True)
class Instance:
    """A reference seen again in a photo: its box, cut off at the photo's edge; how many different local features of the
    reference agree on it; how alike both look in colour once laid on each other, -1..1; the share of it inside the photo."""

    box: Box
    matches: int
    agreement: float
    visible: float


def of_photo(image: Image) -> LocalFeatures:
    """Features of a photo, RGB uint8 (h, w, 3)."""
    return _features(image, PHOTO_SIDE, PHOTO_FEATURES)


def of_reference(image: Image) -> LocalFeatures:
    """Features of a reference picture: a packshot or a tight crop, RGB uint8 (h, w, 3)."""
    return _features(image, REFERENCE_SIDE, REFERENCE_FEATURES)


def _features(image: Image, side: int, most: int) -> LocalFeatures:
    scale = min(1.0, side / max(image.shape[:2]))
    picture = np.asarray(_shrunk(image, scale), np.uint8)
    sift = cv2.SIFT.create(nfeatures=most, contrastThreshold=0.03)
    found: tuple[Any, Any] = sift.detectAndCompute(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), None)
    points, descriptors = found
    if descriptors is None:
        return LocalFeatures(picture, scale, np.zeros((0, 4), np.float32), np.zeros((0, 128), np.float32))
    table = np.array([(*point.pt, point.size, np.deg2rad(point.angle)) for point in points], np.float32)
    root = np.sqrt(descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-6))
    return LocalFeatures(picture, scale, table, root.astype(np.float32))


def _shrunk(image: Image, scale: float) -> Any:
    return image if scale == 1 else cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def instances(photo: LocalFeatures, reference: LocalFeatures, least: int = 12) -> list[Instance]:
    """Every place of the photo where the reference is seen, boxes cut off at the photo's edge, most matches first.

    `least`: an instance needs so many different features of the reference. What agrees in print but not in colour is
    returned too, with its low `agreement`: what to believe is for who asks.
    """
    if len(photo.points) < least or len(reference.points) < max(least, 2):
        return []
    seen, known = _matched(photo, reference)
    found = []
    for pose, agreeing in _poses(seen, known, reference, least):
        if (one := _instance(pose, known[agreeing], photo, reference)) is not None and one.matches >= least:
            found.append(one)
    return sorted(found, key=lambda one: -one.matches)


def _matched(photo: LocalFeatures, reference: LocalFeatures) -> tuple[Floats, Floats]:
    """Points of photo and reference that look alike, row by row, each (n, 4)."""
    alike = photo.descriptors @ reference.descriptors.T
    rows = np.arange(len(alike))
    best = alike.argmax(axis=1)
    first = alike[rows, best]
    alike[rows, best] = -1.0
    near, next_ = (np.sqrt(np.maximum(2 - 2 * cosine, 0)) for cosine in (first, alike.max(axis=1)))
    kept = (near < _RATIO * next_) & (near < _FURTHEST)
    return photo.points[kept], reference.points[best[kept]]


def _poses(
    seen: Floats, known: Floats, reference: LocalFeatures, least: int
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.intp]]]:
    """Homographies (3, 3) from reference to photo, and which matches agree with each; strongest first, each match once."""
    left = np.arange(len(seen))
    while len(left) >= least:
        voters = left[_strongest(seen[left], known[left], reference)]
        if len(voters) < least:
            return
        pose = _fitted(known[voters, :2], seen[voters, :2])
        spent = voters
        if pose is not None:
            expected = cv2.perspectiveTransform(known[None, left, :2].astype(np.float64), pose)[0]
            agreeing = left[np.hypot(*(expected - seen[left, :2]).T) < _AGREES]
            yield pose, agreeing
            spent = np.union1d(voters, agreeing)
        left = np.setdiff1d(left, spent)


def _strongest(seen: Floats, known: Floats, reference: LocalFeatures) -> NDArray[np.intp]:
    """Votes for one and the same pack: of all matches' neighbourhoods of poses, the fullest."""
    height, width = reference.picture.shape[:2]
    scale, turn = seen[:, 2] / known[:, 2], seen[:, 3] - known[:, 3]
    across, down = width / 2 - known[:, 0], height / 2 - known[:, 1]
    x = seen[:, 0] + scale * (np.cos(turn) * across - np.sin(turn) * down)
    y = seen[:, 1] + scale * (np.sin(turn) * across + np.cos(turn) * down)
    reach = _PLACE * scale * np.hypot(width, height)
    near = np.hypot(x[:, None] - x, y[:, None] - y) < reach[:, None]
    near &= np.abs(np.log(scale[:, None] / scale)) < _SCALE
    near &= np.abs(np.angle(np.exp(1j * (turn[:, None] - turn)))) < _TURN
    return np.flatnonzero(near[near.sum(axis=1).argmax()])


def _fitted(known: Floats, seen: Floats) -> NDArray[np.float64] | None:
    pose: Any = cv2.findHomography(known, seen, cv2.RANSAC, 5.0)[0]
    return None if pose is None else np.asarray(pose, np.float64)


def _instance(
    pose: NDArray[np.float64], known: Floats, photo: LocalFeatures, reference: LocalFeatures
) -> Instance | None:
    """What a pose means in the photo; None where no pack could look so (folded over, a sliver, next to nothing)."""
    height, width = reference.picture.shape[:2]
    outline = np.array([[[0, 0], [width, 0], [width, height], [0, height]]], np.float64)
    corners = cv2.perspectiveTransform(outline, pose)[0].astype(np.float32)
    top, right, bottom, left = np.hypot(*(np.roll(corners, -1, axis=0) - corners).T)
    lopsided = not (0.5 < top / max(bottom, 1) < 2 and 0.5 < left / max(right, 1) < 2)
    if lopsided or not cv2.isContourConvex(corners) or cv2.contourArea(corners) < 400:
        return None
    box, visible = _cut(corners, photo.picture.shape[:2])
    if box is None:
        return None
    distinct = len(np.unique(known[:, :2].round(1), axis=0))
    return Instance(box, distinct, _agreement(pose, photo, reference), visible)


def _cut(corners: Floats, shape: Sequence[int]) -> tuple[Box | None, float]:
    """The upright box of four corners, cut off at the photo's edge, in fractions; and the share of it that is inside."""
    height, width = shape[0], shape[1]
    (x0, y0), (x1, y1) = corners.min(axis=0) / [width, height], corners.max(axis=0) / [width, height]
    inside = [min(max(float(v), 0.0), 1.0) for v in (x0, y0, x1, y1)]
    wide, high = inside[2] - inside[0], inside[3] - inside[1]
    if wide <= 0 or high <= 0:
        return None, 0.0
    return Box(*inside), wide * high / float((x1 - x0) * (y1 - y0))


def _agreement(pose: NDArray[np.float64], photo: LocalFeatures, reference: LocalFeatures) -> float:
    """How alike photo and reference look once one is laid on the other, -1..1: the mean of the correlations of their
    pixels and of their pixels' colours without lightness. Lamps change both little."""
    height, width = reference.picture.shape[:2]
    by = _LOOK / max(height, width)
    size = max(8, int(width * by)), max(8, int(height * by))
    back = np.linalg.inv(pose @ np.diag([width / size[0], height / size[1], 1.0]))
    laid = cv2.warpPerspective(photo.picture, back, size, flags=cv2.INTER_LINEAR)
    there = cv2.warpPerspective(np.full(photo.picture.shape[:2], 255, np.uint8), back, size) > 250
    if there.sum() < 50:
        return -1.0
    wanted = cv2.resize(reference.picture, size, interpolation=cv2.INTER_AREA)
    one, other = (cv2.GaussianBlur(p, (0, 0), 1.2).astype(np.float32)[there] for p in (laid, wanted))
    colours = one - one.mean(axis=1, keepdims=True), other - other.mean(axis=1, keepdims=True)
    return (_correlation(one - one.mean(axis=0), other - other.mean(axis=0)) + _correlation(*colours)) / 2


def _correlation(one: Floats, other: Floats) -> float:
    return float((one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum() + 1e-6))
