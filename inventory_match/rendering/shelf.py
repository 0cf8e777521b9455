"""A photo of a shelf: back wall, boards, price rails, packs standing in their slots with shadows, a shopper before
them.

`ShelfLayout` says where the slots are, as fractions of the scene; `shelf_photo` draws what stands in them and says,
for everything drawn, whose it is, where it is in the final photo and how much of it can be seen. An empty slot shows
wall and board. One call takes about a fifth of a second at 1280 x 960 once the packs have been drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from inventory_match.domain.photos import Box
from inventory_match.rendering.artwork import font
from inventory_match.rendering.camera import Camera, Light, develop, seen_box, through_lens, view_of
from inventory_match.rendering.designs import RGB, PackDesign
from inventory_match.rendering.motifs import shade
from inventory_match.rendering.packs import packshot
from inventory_match.rendering.shopper import Shopper, draw_shopper

_HEADROOM, _BOARD, _RAIL = 0.05, 0.03, 0.115
"""Fractions of a row's height: air above the slot, the board's visible top, the price rail below it."""
_STATURE = {"can": 0.86, "jar": 0.84, "bag": 0.96, "tube": 0.96, "carton": 0.97}
"""How tall a pack stands in its slot where it is not simply full height."""


@dataclass(frozen=True, slots=True)
class ShelfLayout:
    """A grid of slots, numbered row by row from the top left. `labels` are the skus on the price rail, one a slot.

    `depth` packs stand behind one another in a slot; only the first is seen clearly.
    """

    labels: tuple[str, ...]
    rows: int = 3
    columns: int = 8
    margin: float = 0.03
    depth: int = 1
    wall: RGB = (206, 203, 196)
    rail: RGB = (186, 58, 52)

    def __post_init__(self) -> None:
        if len(self.labels) != self.rows * self.columns:
            raise ValueError(f"{self.rows} x {self.columns} slots need as many labels, got {len(self.labels)}")

    def row(self, number: int) -> tuple[float, float]:
        """Top and bottom of a row in the scene, from its air to the end of its rail."""
        high = (1 - 2 * self.margin) / self.rows
        return self.margin + number * high, self.margin + (number + 1) * high

    def slot(self, number: int) -> Box:
        """Where a pack may stand, in the scene; its lower edge is where packs touch the board."""
        row, column = divmod(number, self.columns)
        top, bottom = self.row(row)
        high, wide = bottom - top, (1 - 2 * self.margin) / self.columns
        left = self.margin + column * wide
        return Box(left, top + high * _HEADROOM, left + wide, bottom - high * (_RAIL + _BOARD * 0.3))

    def regions(self, camera: Camera) -> tuple[Box, ...]:
        """Every slot as the camera at rest sees it: the fixed regions of that camera, in fractions of its photos."""
        view = view_of(camera)
        return tuple(seen_box(view, self.slot(number)) for number in range(len(self.labels)))


@dataclass(frozen=True, slots=True)
class Standing:
    """A pack in a photo: its slot, its own tight box in the photo, and the share of that box nothing covers."""

    sku: str
    slot: int
    box: Box
    visible: float


@dataclass(frozen=True, slots=True)
class ShelfPhoto:
    """An RGB photo, what stands in it, and for each slot the share of it that is not covered."""

    image: Image.Image
    standing: tuple[Standing, ...]
    uncovered: tuple[float, ...]


def shelf_photo(
    layout: ShelfLayout,
    contents: Mapping[int, PackDesign],
    seed: int,
    *,
    camera: Camera | None = None,
    light: Light | None = None,
    occluder: Shopper | None = None,
    size: tuple[int, int] = (1280, 960),
) -> ShelfPhoto:
    """Photograph the shelf with `contents` (slot number to product; a slot not named is empty).

    The seed moves packs, camera and noise a little; the same arguments give the same pixels.
    """
    camera, light = camera or Camera(), light or Light()
    draw = np.random.default_rng(seed)
    scene, boxes = _scene(layout, contents, draw, size)
    cover = Image.new("L", size, 0)
    if occluder is not None:
        person = draw_shopper(occluder, size)
        cover = person.getchannel("A")
        scene.paste(person, (0, 0), person)
    view = view_of(camera, draw)
    photo = develop(through_lens(scene, view), camera, light, draw)
    standing = tuple(
        Standing(contents[slot].sku, slot, seen_box(view, box), _bare(cover, box)) for slot, box in boxes.items()
    )
    return ShelfPhoto(photo, standing, tuple(_bare(cover, layout.slot(n)) for n in range(len(layout.labels))))


def _bare(cover: Image.Image, box: Box) -> float:
    crop = cover.crop(box.pixels(*cover.size))
    return round(1 - float(np.asarray(crop, np.float32).mean()) / 255, 3)


def _scene(
    layout: ShelfLayout, contents: Mapping[int, PackDesign], draw: np.random.Generator, size: tuple[int, int]
) -> tuple[Image.Image, dict[int, Box]]:
    w, h = size
    scene = _wall(layout, w, h)
    _boards(scene, layout)
    packs = [placed for slot in sorted(contents) for placed in _placed(layout, slot, contents[slot], draw, size)]
    _shadows(scene, packs)
    boxes: dict[int, Box] = {}
    for slot, pack, x, y in packs:
        scene.paste(pack, (x, y), pack)
        boxes[slot] = Box(
            max(x / w, 0.0), max(y / h, 0.0), min((x + pack.width) / w, 1.0), min((y + pack.height) / h, 1.0)
        )
    scene = ImageChops.multiply(scene, _shade_under_boards(layout, w, h))
    _rails(scene, layout)
    return scene, boxes


_Placed = tuple[int, Image.Image, int, int]


def _placed(
    layout: ShelfLayout, slot: int, design: PackDesign, draw: np.random.Generator, size: tuple[int, int]
) -> list[_Placed]:
    """The packs of one slot from back to front, scaled to fit, a little out of line as people put them."""
    left, top, right, bottom = layout.slot(slot).pixels(*size)
    stature = (bottom - top) * _STATURE.get(design.shape, 1.0) * draw.uniform(0.965, 0.99)
    high = min(stature, (right - left) * 0.93 / design.aspect)
    pack = _scaled(design, round(high))
    pack = pack.rotate(draw.normal(0, 0.5), Image.Resampling.BILINEAR, expand=True)
    spare = (right - left) - pack.width
    x = left + spare / 2 + np.clip(draw.normal(0, 0.15), -0.35, 0.35) * max(spare, 0)
    feet = bottom + draw.integers(-2, 2)
    placed = []
    for behind in range(layout.depth - 1, 0, -1):
        scale = 1 - 0.07 * behind
        back = _scaled(design, round(high * scale))
        dark = Image.merge(
            "RGBA", [*(band.point(lambda v: v * 0.6) for band in back.split()[:3]), back.getchannel("A")]
        )
        placed.append((slot, dark, round(x + 4 * behind), round(feet - dark.height - 5 * behind)))
    return [*placed, (slot, pack, round(x), round(feet - pack.height))]


def _scaled(design: PackDesign, height: int) -> Image.Image:
    """The pack at that height, reduced from one of a few sizes that stay in memory."""
    drawn = packshot(design, 320 if height <= 320 else 640)
    return drawn.resize((max(1, round(drawn.width * height / drawn.height)), max(1, height)), Image.Resampling.LANCZOS)


def _wall(layout: ShelfLayout, w: int, h: int) -> Image.Image:
    """A painted back panel: smooth, with the seams of its plates and metal uprights at both ends."""
    rows = np.linspace(1.02, 0.94, h)[:, None, None]
    wall = Image.fromarray(np.clip(np.asarray(layout.wall) * rows, 0, 255).astype(np.uint8)).resize((w, h))
    canvas = ImageDraw.Draw(wall)
    edge = round(layout.margin * w * 0.72)
    for left in (0, w - edge):
        canvas.rectangle((left, 0, left + edge, h), fill=(132, 136, 142))
        canvas.line((left + edge // 2, 0, left + edge // 2, h), fill=(104, 108, 114), width=2)
        for y in range(6, h, 22):
            canvas.rectangle((left + edge * 0.3, y, left + edge * 0.42, y + 10), fill=(60, 62, 66))
    return wall


def _boards(scene: Image.Image, layout: ShelfLayout) -> None:
    """The visible top of each board, on which packs stand; `_rails` draws its front."""
    w, h = scene.size
    canvas = ImageDraw.Draw(scene)
    for number in range(layout.rows):
        top, bottom = layout.row(number)
        rail = (bottom - (bottom - top) * _RAIL) * h
        deep = (bottom - top) * _BOARD * h
        canvas.rectangle((0, rail - deep, w, rail), fill=(232, 231, 226))
        canvas.line((0, rail - deep, w, rail - deep), fill=(176, 174, 168), width=1)


def _shadows(scene: Image.Image, packs: Sequence[_Placed]) -> None:
    """All shadows in one blurred layer: each pack's outline thrown to the right, and a dark line where it stands."""
    layer = Image.new("L", scene.size, 0)
    canvas = ImageDraw.Draw(layer)
    for _, pack, x, y in packs:
        layer.paste(118, (x + 9, y + 7), pack.getchannel("A").point(lambda v: v if v > 40 else 0))
    layer = layer.reduce(4).filter(ImageFilter.GaussianBlur(1.5)).resize(scene.size, Image.Resampling.BILINEAR)
    canvas = ImageDraw.Draw(layer)
    for _, pack, x, y in packs:
        canvas.ellipse((x + 2, y + pack.height - 5, x + pack.width + 4, y + pack.height + 4), fill=170)
    scene.paste((28, 26, 30), (0, 0), layer.filter(ImageFilter.BoxBlur(2)))


def _shade_under_boards(layout: ShelfLayout, w: int, h: int) -> Image.Image:
    """Each board keeps the lamp from the top of the row beneath it."""
    y = np.arange(h, dtype=np.float32) / h
    dim = np.ones(h, np.float32)
    for number in range(layout.rows):
        top, bottom = layout.row(number)
        depth = (y - top) / (bottom - top)
        inside = (depth >= 0) & (depth < 1)
        dim[inside] = (1 - 0.42 * np.exp(-np.clip(depth, 0, 1) / 0.16))[inside]
    return Image.fromarray(np.repeat((dim * 255).astype(np.uint8)[:, None], w, axis=1)).convert("RGB")


def _rails(scene: Image.Image, layout: ShelfLayout) -> None:
    """The front of each board: a rail with a price ticket under each slot."""
    w, h = scene.size
    canvas = ImageDraw.Draw(scene)
    canvas.rectangle((0, 0, w, layout.margin * h), fill=(150, 152, 156))
    for number in range(layout.rows):
        top, bottom = layout.row(number)
        rail, foot = (bottom - (bottom - top) * _RAIL) * h, bottom * h
        canvas.rectangle((0, rail, w, foot), fill=layout.rail)
        canvas.rectangle((0, rail, w, rail + 3), fill=shade(layout.rail, 0.4))
        canvas.rectangle((0, foot - 4, w, foot), fill=shade(layout.rail, -0.4))
    for slot, sku in enumerate(layout.labels):
        box = layout.slot(slot)
        bottom = layout.row(slot // layout.columns)[1] * h
        high = (layout.row(0)[1] - layout.row(0)[0]) * h * _RAIL
        mid, wide = (box.x0 + box.x1) / 2 * w, (box.x1 - box.x0) * w * 0.6
        canvas.rounded_rectangle(
            (mid - wide / 2, bottom - high * 0.86, mid + wide / 2, bottom - high * 0.2), 3, fill=(252, 250, 240)
        )
        price = sum(map(ord, sku)) % 7 + 0.49 + len(sku) % 5 / 10
        canvas.text(
            (mid - wide * 0.44, bottom - high * 0.82), f"{price:.2f}", font=font(round(high * 0.5)), fill=(24, 24, 28)
        )
        canvas.text(
            (mid + wide * 0.46, bottom - high * 0.3), sku, font=font(round(high * 0.26)), fill=(90, 88, 92), anchor="rs"
        )
    canvas.rectangle((0, (1 - layout.margin) * h, w, h), fill=(92, 90, 92))
