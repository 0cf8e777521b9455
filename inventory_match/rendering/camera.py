"""What a camera does to a scene: perspective, a little shaking, uneven light, blur, sensor noise, JPEG.

A fixed camera has one perspective for all its photos (`corners`), so its regions can be drawn once; `jitter` moves
each photo by a small amount, a mount that trembles. Points travel by the same homography as the pixels, so boxes stay
exact."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from inventory_match.domain.photos import Box

Matrix = NDArray[np.float64]
Corners = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
_SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
STRAIGHT: Corners = ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0))


@dataclass(frozen=True, slots=True)
class Camera:
    """`corners`: where the scene's corners (left top, right top, right bottom, left bottom) move to, as offsets in
    fractions of the photo, outwards, or the scene does not fill it; `jitter` the greatest extra offset of each;
    `noise` in grey levels; `blur` in pixels; `jpeg` the quality."""

    corners: Corners = STRAIGHT
    jitter: float = 0.0015
    noise: float = 4.0
    blur: float = 0.5
    jpeg: int = 88


@dataclass(frozen=True, slots=True)
class Light:
    """`brightness` multiplies; `warmth` -1 (blue) to 1 (yellow); `slope_x`, `slope_y` brighten towards the right and
    the bottom; `lamp` is the strength of a bright pool at `lamp_x` near the top."""

    brightness: float = 1.0
    warmth: float = 0.1
    slope_x: float = 0.0
    slope_y: float = -0.08
    lamp: float = 0.1
    lamp_x: float = 0.5


def homography(source: Matrix, target: Matrix) -> Matrix:
    """The 3x3 matrix that takes four source points to four target points; both of shape (4, 2)."""
    rows: list[list[float]] = []
    for (x, y), (u, v) in zip(source.tolist(), target.tolist(), strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    solved = np.linalg.solve(np.asarray(rows), target.reshape(-1))
    return np.append(solved, 1.0).reshape(3, 3)


def view_of(camera: Camera, draw: np.random.Generator | None = None) -> Matrix:
    """Scene to photo, both in fractions; without `draw` the camera's rest position, which is what regions are drawn
    on."""
    outward = (
        np.sign(np.asarray(_SQUARE) - 0.5) * camera.jitter
    )  # so that shaking never shows what lies beside the scene
    offsets = np.asarray(camera.corners) + outward
    if draw is not None:
        offsets = offsets + draw.uniform(-camera.jitter, camera.jitter, (4, 2))
    return homography(np.asarray(_SQUARE), np.asarray(_SQUARE) + offsets)


def seen_box(view: Matrix, box: Box) -> Box:
    """The upright rectangle round a scene box in the photo, cut off at the photo's edge."""
    points = np.array([(x, y, 1.0) for x in (box.x0, box.x1) for y in (box.y0, box.y1)]) @ view.T
    flat = np.clip(points[:, :2] / points[:, 2:], 0.0, 1.0)
    (x0, y0), (x1, y1) = flat.min(axis=0).round(5).tolist(), flat.max(axis=0).round(5).tolist()
    return Box(x0, y0, x1, y1)


def through_lens(scene: Image.Image, view: Matrix) -> Image.Image:
    """The scene as the view shows it; what lies outside the scene is filled with its edge colour."""
    w, h = scene.size
    scale = np.diag([w, h, 1.0])
    back = np.linalg.inv(scale @ view @ np.linalg.inv(scale))
    back = back / back[2, 2]
    edge = scene.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    return scene.transform(
        (w, h),
        Image.Transform.PERSPECTIVE,
        tuple(back.reshape(-1)[:8].tolist()),
        Image.Resampling.BILINEAR,
        fillcolor=edge,
    )


def develop(image: Image.Image, camera: Camera, light: Light, draw: np.random.Generator) -> Image.Image:
    """Light, blur and noise on an RGB image of any size."""
    if camera.blur > 0:
        image = image.filter(ImageFilter.BoxBlur(camera.blur))
    w, h = image.size
    x, y = np.linspace(-0.5, 0.5, w, dtype=np.float32)[None, :], np.linspace(-0.5, 0.5, h, dtype=np.float32)[:, None]
    pool = np.exp(-((x - light.lamp_x + 0.5) ** 2) / 0.12) * np.exp(-((y + 0.4) ** 2) / 0.12)
    field = (
        light.brightness * (1 + light.slope_x * x + light.slope_y * y) * (1 + light.lamp * pool - 0.22 * (x**2 + y**2))
    )
    tint = (1 + 0.08 * light.warmth, 1.0, 1 - 0.10 * light.warmth)
    grain = draw.standard_normal((h, w), np.float32) * np.float32(camera.noise)
    blotch = Image.fromarray(draw.standard_normal((h // 4 + 1, w // 4 + 1), np.float32)).resize(
        (w, h), Image.Resampling.BILINEAR
    )
    speck = np.asarray(blotch, np.float32) * np.float32(camera.noise * 0.5)
    bands = []
    for band, share, stain in zip(image.split(), tint, (1.0, -0.6, 0.8), strict=True):
        level = np.asarray(band, np.float32) * (field * np.float32(share))
        level += grain
        level += speck * np.float32(stain)
        bands.append(Image.fromarray(np.clip(level, 0, 255, out=level).astype(np.uint8)))
    return Image.merge("RGB", bands)


def jpeg(image: Image.Image, quality: int = 88) -> bytes:
    """The image as JPEG bytes; the same image gives the same bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
