"""Chance conditions of a photo: packs taken alone in a studio, cameras hung anywhere, light of any hour, people in
any coat.

Everything is drawn from the generator it is given, so a seed decides it.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

from inventory_match.rendering.camera import Camera, Corners, Light, develop
from inventory_match.rendering.designs import RGB, PackDesign, product
from inventory_match.rendering.packs import packshot
from inventory_match.rendering.shopper import Shopper


def studio_view(design: PackDesign, draw: np.random.Generator, *, plain: bool, height: int = 400) -> Image.Image:
    """The pack alone: straight on white when `plain`, else a little turned on a coloured ground under uneven light."""
    pack = packshot(design, height)
    if not plain:
        pack = pack.resize((round(pack.width * draw.uniform(0.9, 1.0)), pack.height), Image.Resampling.LANCZOS)
        pack = pack.rotate(draw.uniform(-5, 5), Image.Resampling.BICUBIC, expand=True)
    edge = round(height * (0.04 if plain else draw.uniform(0.02, 0.12)))
    ground = (255, 255, 255) if plain else tuple(int(part) for part in draw.integers(90, 240, 3))
    view = Image.new("RGB", (pack.width + 2 * edge, pack.height + 2 * edge), ground)
    view.paste(pack, (edge, edge), pack)
    return view if plain else develop(view, some_camera(draw), some_light(draw), draw)


def some_camera(draw: np.random.Generator) -> Camera:
    """A camera hung somewhere: outward perspective up to 6 %, sharp or soft, quiet or noisy."""
    lean = draw.uniform(0, 0.06, (4, 2)) * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    a, b, c, d = ((float(x), float(y)) for x, y in lean)
    corners: Corners = (a, b, c, d)
    return Camera(corners, noise=float(draw.uniform(1.5, 9)), blur=float(draw.uniform(0.2, 1.8)))


def some_light(draw: np.random.Generator) -> Light:
    """Morning, lamps or a dim corner."""
    return Light(
        brightness=float(draw.uniform(0.6, 1.15)),
        warmth=float(draw.uniform(-0.9, 1.0)),
        slope_x=float(draw.uniform(-0.35, 0.35)),
        slope_y=float(draw.uniform(-0.3, 0.2)),
        lamp=float(draw.uniform(0, 0.3)),
        lamp_x=float(draw.uniform(0, 1)),
    )


def some_paint(draw: np.random.Generator, darkest: int, lightest: int) -> RGB:
    """A colour, mostly a muted one: its parts differ from a common grey by 30 at most."""
    grey = int(draw.integers(darkest, lightest))
    red, green, blue = (max(0, min(255, grey + int(part))) for part in draw.integers(-30, 31, 3))
    return red, green, blue


def some_shopper(draw: np.random.Generator) -> Shopper:
    """Somebody, somewhere, in a coat of any colour."""
    x = float(draw.uniform(0, 1))
    return Shopper(
        x,
        x + float(draw.choice((-1, 1)) * draw.uniform(0.15, 0.3)),
        float(draw.uniform(0.05, 0.3)),
        float(draw.uniform(0.2, 0.7)),
        some_paint(draw, 30, 190),
        seed=int(draw.integers(2**31)),
    )


def studio_jpegs(count: int, seed: int, height: int = 280) -> list[bytes]:
    """Packs of as many designs, each alone and a little turned, as JPEG files."""
    draw = np.random.default_rng(seed)
    return [_jpeg(studio_view(product(seed, number), draw, plain=False, height=height)) for number in range(count)]


def _jpeg(picture: Image.Image) -> bytes:
    written = BytesIO()
    picture.save(written, "JPEG", quality=90)
    return written.getvalue()
