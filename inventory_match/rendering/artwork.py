"""The flat print of a pack: background pattern, brand, motif, variety band, small print and barcode, as a designer
lays it out.

The print knows nothing of the pack's shape: `packs` wraps it round a bottle or folds it on a box.
"""

from __future__ import annotations

import random
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from inventory_match.rendering.backgrounds import draw_background
from inventory_match.rendering.designs import RGB, PackDesign
from inventory_match.rendering.motifs import MOTIFS, shade

_PAPER: RGB = (250, 246, 236)
_INK: RGB = (30, 28, 34)
_L_CODES = (
    "0001101",
    "0011001",
    "0010011",
    "0111101",
    "0100011",
    "0110001",
    "0101111",
    "0111011",
    "0110111",
    "0001011",
)
_PARITY = ("LLLLLL", "LLGLGG", "LLGGLG", "LLGGGL", "LGLLGG", "LGGLLG", "LGGGLL", "LGLGLG", "LGLGGL", "LGGLGL")


def ean13_modules(gtin: str) -> str:
    """The 95 bars (1) and spaces (0) of an EAN-13 symbol, GS1 General Specifications 5.2."""
    left = "".join(
        _L_CODES[int(digit)] if parity == "L" else _right_code(digit)[::-1]
        for digit, parity in zip(gtin[1:7], _PARITY[int(gtin[0])], strict=True)
    )
    return "101" + left + "01010" + "".join(_right_code(digit) for digit in gtin[7:]) + "101"


def _right_code(digit: str) -> str:
    return _L_CODES[int(digit)].translate(str.maketrans("01", "10"))


def front(design: PackDesign, width: int, height: int) -> Image.Image:
    """The print as an RGB image of that size in pixels."""
    art = Image.new("RGB", (width, height), design.base)
    canvas = ImageDraw.Draw(art)
    draw_background(canvas, design, width, height)
    hero_y, hero_r = 0.56, min(width * 0.31, height * 0.175)
    ground = _PAPER if sum(design.flavour) < 560 else shade(design.accent, -0.35)
    x, y = width * 0.5, height * hero_y
    _plaque(canvas, design, x, y, hero_r * 1.24, ground)
    MOTIFS[design.motif](canvas, x, y, hero_r, design.flavour, _contrast(ground, shade(design.accent, -0.25)))
    _brand(art, design, width, height)
    _variety(art, design, width, height)
    _small_print(canvas, design, width, height)
    return art


def _contrast(ground: RGB, wish: RGB) -> RGB:
    """The wished colour where it stands out on the ground, else dark or light ink."""
    if sum(abs(a - b) for a, b in zip(ground, wish, strict=True)) > 220:
        return wish
    return _INK if sum(ground) > 380 else _PAPER


def _plaque(canvas: ImageDraw.ImageDraw, design: PackDesign, x: float, y: float, r: float, ground: RGB) -> None:
    """The light field behind the motif; its outline is the family's."""
    corners = {"band": 0.2, "stripes": 0.08, "split": 0.3, "checks": 0.5}.get(design.template, 1.0)
    for size, fill in ((1.07, shade(design.accent, -0.3)), (1.0, ground)):
        box = (x - r * size, y - r * size, x + r * size, y + r * size)
        canvas.rounded_rectangle(box, radius=r * size * corners, fill=fill)


@lru_cache(maxsize=256)
def font(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own scalable font: nothing to install, the same glyphs everywhere."""
    found = ImageFont.load_default(size)
    if not isinstance(found, ImageFont.FreeTypeFont):
        raise TypeError("Pillow was built without FreeType: its default font cannot be scaled")
    return found


def lettering(text: str, width: float, height: float, fill: RGB, *, weight: float = 0.022, edge: RGB | None = None,
              slant: float = 0.0) -> Image.Image:  # fmt: skip
    """Bold text as an RGBA image no larger than width x height; `weight` is the stroke in font sizes, `slant` the
    shear."""
    size = 80
    stroke = max(1, round(size * weight))
    rim = round(size * 0.06) if edge else 0
    box = font(size).getbbox(text, stroke_width=stroke + rim)
    lean = round(abs(slant) * (box[3] - box[1]))
    word = Image.new("RGBA", (round(box[2] - box[0]) + 4 + lean, round(box[3] - box[1]) + 4), (*(edge or fill), 0))
    canvas = ImageDraw.Draw(word)
    at = (2 - box[0], 2 - box[1])
    if edge:
        canvas.text(at, text, font=font(size), fill=edge, stroke_width=stroke + rim, stroke_fill=edge)
    canvas.text(at, text, font=font(size), fill=fill, stroke_width=stroke, stroke_fill=fill)
    if slant:
        word = word.transform(word.size, Image.Transform.AFFINE, (1, slant, -lean, 0, 1, 0), Image.Resampling.BICUBIC)
    scale = min(width / word.width, height / word.height)
    return word.resize(
        (max(1, round(word.width * scale)), max(1, round(word.height * scale))), Image.Resampling.LANCZOS
    )


def _centred(art: Image.Image, piece: Image.Image, x: float, y: float) -> None:
    art.paste(piece, (round(x - piece.width / 2), round(y - piece.height / 2)), piece)


def _brand(art: Image.Image, design: PackDesign, w: int, h: int) -> None:
    ground = design.accent if design.template in ("band", "rays") else design.base
    light = sum(ground) < 430
    other = design.base if ground == design.accent else design.accent
    fill, edge = (_PAPER, shade(ground, -0.55)) if light else (_contrast(ground, shade(other, -0.4)), _PAPER)
    style = design.lettering
    text = design.brand.upper() if style in ("capitals", "outlined") else design.brand
    weight = {"capitals": 0.035, "title": 0.03, "slanted": 0.035, "outlined": 0.012}[style]
    rim = edge if style != "title" or design.template in ("stripes", "checks") else None
    word = lettering(text, w * 0.86, h * 0.16, fill, weight=weight, edge=rim, slant=0.22 if style == "slanted" else 0.0)
    _centred(art, word, w / 2, h * 0.165)
    noun_fill = _PAPER if light else _INK
    _centred(art, lettering(design.noun, w * 0.7, h * 0.05, noun_fill, edge=ground, weight=0.015), w / 2, h * 0.288)


def _variety(art: Image.Image, design: PackDesign, w: int, h: int) -> None:
    band = shade(design.flavour, -0.12)
    top, bottom = h * 0.795, h * 0.88
    canvas = ImageDraw.Draw(art)
    canvas.rounded_rectangle((w * 0.05, top, w * 0.95, bottom), radius=(bottom - top) * 0.3, fill=band,
                             outline=_PAPER, width=max(2, round(h * 0.004)))  # fmt: skip
    fill = _PAPER if sum(band) < 460 else _INK
    _centred(art, lettering(design.variety, w * 0.8, (bottom - top) * 0.68, fill), w / 2, (top + bottom) / 2)


def _small_print(canvas: ImageDraw.ImageDraw, design: PackDesign, w: int, h: int) -> None:
    """Barcode at the lower right, weight and lines of text at the lower left: what a camera sees as fine texture."""
    draw = random.Random(f"print {design.seed}")
    x0, y0, x1, y1 = w * 0.62, h * 0.905, w * 0.93, h * 0.975
    canvas.rectangle((x0, y0, x1, y1), fill=(255, 255, 255))
    modules, unit = ean13_modules(design.gtin), (x1 - x0) * 0.9 / 95
    for place, module in enumerate(modules):
        if module == "1":
            left = x0 + (x1 - x0) * 0.05 + place * unit
            canvas.rectangle(
                (left, y0 + (y1 - y0) * 0.1, left + max(unit - 1, 0.5), y1 - (y1 - y0) * 0.12), fill=(10, 10, 10)
            )
    ink = _PAPER if sum(design.accent if design.template in ("band", "split", "waves") else design.base) < 430 else _INK
    unit_name = "ml" if design.shape in ("can", "bottle", "carton", "jug") else "g"
    amount = f"{draw.choice((125, 250, 330, 400, 500, 750))} {unit_name}"
    canvas.text((w * 0.06, h * 0.905), amount, font=font(max(8, round(h * 0.026))), fill=ink)
    for line in range(3):
        y = h * (0.942 + 0.011 * line)
        canvas.line((w * 0.06, y, w * draw.uniform(0.35, 0.55), y), fill=ink, width=max(1, round(h * 0.003)))
