"""What a packaged product looks like, as pure data: brand, variety, shape, colours, motif, article numbers.

Products come in families of three sisters: one brand, one shape, one printed layout, three varieties. Sisters are
meant to be near look-alikes, families to be told apart at a glance, as on a real shelf. Everything follows from
(seed, index): index // 3 is the family, index % 3 the sister, and families walk through the categories in turn, so
the first 24 products of any seed fill eight categories."""

from __future__ import annotations

import random
from dataclasses import dataclass

RGB = tuple[int, int, int]
SISTERS = 3


@dataclass(frozen=True, slots=True)
class Variety:
    """A flavour: its word on the pack, the motif that shows it, and its colour."""

    word: str
    motif: str
    colour: RGB


@dataclass(frozen=True, slots=True)
class Category:
    """A kind of product: the shapes it is sold in, what it is called, its varieties."""

    name: str
    prefix: str
    shapes: tuple[str, ...]
    nouns: tuple[str, ...]
    varieties: tuple[Variety, ...]


_RED, _ORANGE, _AMBER, _LEMON, _LIME = (196, 30, 44), (238, 118, 24), (240, 172, 32), (246, 212, 48), (132, 188, 44)
_GREEN, _TEAL, _SKY, _BLUE, _INDIGO = (34, 132, 66), (16, 140, 140), (64, 164, 222), (28, 78, 172), (58, 46, 134)
_PLUM, _PINK, _BROWN, _CREAM, _SLATE = (126, 38, 110), (232, 92, 140), (98, 56, 32), (240, 226, 196), (70, 82, 96)
_BLACK, _MINT, _WINE = (34, 32, 36), (132, 208, 178), (112, 20, 46)

CATEGORIES = (
    Category("cereal", "CER", ("box",), ("Oat Crunch", "Corn Rings", "Bran Flakes", "Muesli"), (
        Variety("Honey", "comb", _AMBER), Variety("Berry", "berries", _PLUM), Variety("Cocoa", "cookie", _BROWN),
        Variety("Apple", "apple", _LIME), Variety("Wholegrain", "wheat", _CREAM))),
    Category("crisps", "CRI", ("bag", "tube"), ("Crisps", "Tortilla Chips", "Lentil Waves"), (
        Variety("Sea Salt", "wave", _SKY), Variety("Paprika", "flame", _RED), Variety("Sour Cream", "leaf", _GREEN),
        Variety("Cheese", "sun", _AMBER), Variety("Barbecue", "zigzag", _BROWN))),
    Category("soda", "SOD", ("can", "bottle"), ("Cola", "Lemonade", "Sparkling Soda", "Tonic"), (
        Variety("Classic", "wave", _RED), Variety("Lemon", "citrus", _LEMON), Variety("Zero", "bubbles", _BLACK),
        Variety("Orange", "citrus", _ORANGE), Variety("Cherry", "berries", _WINE))),
    Category("juice", "JUI", ("carton", "bottle"), ("Juice", "Nectar", "Smoothie"), (
        Variety("Orange", "citrus", _ORANGE), Variety("Apple", "apple", _GREEN), Variety("Grape", "berries", _INDIGO),
        Variety("Mango", "sun", _AMBER), Variety("Beetroot", "drop", _WINE))),
    Category("coffee", "COF", ("bag", "jar"), ("Coffee", "Espresso", "Filter Roast"), (
        Variety("Dark Roast", "bean", _BLACK), Variety("Mild", "sun", _SKY), Variety("Decaf", "leaf", _TEAL),
        Variety("Crema", "drop", _AMBER), Variety("Highland", "mountain", _GREEN))),
    Category("detergent", "DET", ("jug", "box"), ("Washing Gel", "Detergent", "Softener"), (
        Variety("Fresh", "bubbles", _SKY), Variety("Colour", "flower", _PINK), Variety("Sensitive", "leaf", _MINT),
        Variety("Power", "star", _INDIGO), Variety("Citrus", "citrus", _LIME))),
    Category("jam", "JAM", ("jar",), ("Jam", "Fruit Spread", "Preserve"), (
        Variety("Strawberry", "heart", _RED), Variety("Blueberry", "berries", _INDIGO),
        Variety("Apricot", "sun", _ORANGE),
        Variety("Cherry", "drop", _WINE), Variety("Fig", "leaf", _PLUM))),
    Category("biscuits", "BIS", ("tube", "box"), ("Biscuits", "Cookies", "Wafers"), (
        Variety("Butter", "cookie", _CREAM), Variety("Chocolate", "star", _BROWN), Variety("Lemon", "citrus", _LEMON),
        Variety("Oat", "wheat", _GREEN), Variety("Raspberry", "heart", _PINK))),
)  # fmt: skip

_HOUSE = (_RED, _BLUE, _GREEN, _ORANGE, _INDIGO, _TEAL, _PLUM, _BLACK, _AMBER, _SLATE, _WINE, _SKY, _PINK, _BROWN)
_HEADS = ("Sol", "Nor", "Mira", "Bel", "Tavi", "Oro", "Luma", "Kel", "Fjor", "Pomo", "Zan", "Quil", "Hexa", "Vero",
          "Juno", "Ruba", "Dala", "Wim", "Yva", "Gus", "Ama", "Brio", "Circ", "Ekko")  # fmt: skip
_TAILS = ("dal", "vo", "kka", "mont", "ello", "wick", "field", "ssa", "nova", "rey", "lund", "pip")
TEMPLATES = ("band", "diagonal", "roundel", "stripes", "waves", "rays", "split", "checks")
_ASPECTS = {
    "box": 0.70,
    "bottle": 0.36,
    "can": 0.54,
    "bag": 0.74,
    "jar": 0.74,
    "tube": 0.42,
    "carton": 0.48,
    "jug": 0.66,
}


@dataclass(frozen=True, slots=True)
class PackDesign:
    """One product. `aspect` is width / height of the pack; colours are sRGB; `seed` feeds the small print's
    variation."""

    sku: str
    gtin: str
    name: str
    brand: str
    noun: str
    variety: str
    category: str
    description: str
    shape: str
    aspect: float
    template: str
    lettering: str
    motif: str
    base: RGB
    accent: RGB
    lid: RGB
    flavour: RGB
    seed: int


def check_digit(digits: str) -> int:
    """GS1 check digit of the digits before it: weights 3, 1, 3, 1... from the right.

    >>> check_digit("400638133393")
    1
    """
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits)))
    return -total % 10


def product(seed: int, index: int) -> PackDesign:
    """The `index`-th product (from 0) of the range that `seed` describes; article numbers are in GS1's in-store range
    20."""
    family, sister = divmod(index, SISTERS)
    category = CATEGORIES[family % len(CATEGORIES)]
    whole = random.Random(f"range {seed}")
    brands = [head + tail for head in _HEADS for tail in _TAILS]
    whole.shuffle(brands)
    templates, houses = list(TEMPLATES), list(_HOUSE)
    whole.shuffle(templates)
    whole.shuffle(houses)
    draw = random.Random(f"family {seed} {family}")
    brand, noun, shape = brands[family % len(brands)], draw.choice(category.nouns), draw.choice(category.shapes)
    house, lid = houses[family % len(houses)], draw.choice(_HOUSE)
    variety = draw.sample(category.varieties, SISTERS)[sister]
    flavour_outside = draw.random() < 0.6
    base, accent = (variety.colour, house) if flavour_outside else (house, variety.colour)
    if _near(base, accent):
        accent = _CREAM if sum(base) < 380 else _BLACK
    digits = f"20{seed % 100_000:05d}{index:05d}"
    return PackDesign(
        sku=f"{category.prefix}-{index + 1:03d}", gtin=f"{digits}{check_digit(digits)}",
        name=f"{brand} {noun} {variety.word}", brand=brand, noun=noun, variety=variety.word, category=category.name,
        description=f"{noun} {variety.word.lower()} by {brand}, sold in a {shape}",
        shape=shape, aspect=round(_ASPECTS[shape] * draw.uniform(0.93, 1.06), 3),
        template=templates[(family + family // len(templates)) % len(templates)],
        lettering=draw.choice(("capitals", "title", "slanted", "outlined")), motif=variety.motif,
        base=base, accent=accent, lid=lid, flavour=variety.colour, seed=seed * 1_000_003 + index,
    )  # fmt: skip


def _near(one: RGB, other: RGB) -> bool:
    """Whether two colours are too alike for print on each other."""
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) < 130
