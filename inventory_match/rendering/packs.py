"""Packs as a camera sees them: the flat print put on a box, bottle, can, bag, jar, tube, carton or jug, with cap and
shading.

`packshot(product(seed, index))` is the one picture to start from. Drawn at twice the size and reduced, so edges are
smooth. A body is described by its outline (half widths down its height), the part of it that carries the print, and
its lid; all round bodies share one shading, flat ones get folds and edges."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inventory_match.rendering.artwork import front
from inventory_match.rendering.designs import RGB, PackDesign, product
from inventory_match.rendering.motifs import shade

Floats = NDArray[np.float32]
_OVERSAMPLING = 2


@dataclass(frozen=True, slots=True)
class Body:
    """A shape: `outline` as (y, half width) knots, both 0..1; the print from `top` to `bottom`; the lid down to
    `lid`."""

    outline: tuple[tuple[float, float], ...]
    top: float = 0.0
    bottom: float = 1.0
    lid: float = 0.0
    round: bool = True
    material: str = "print"


BODIES = {
    "box": Body(((0, 1), (1, 1)), round=False),
    "carton": Body(((0, 0.80), (0.05, 0.80), (0.16, 1), (1, 1)), top=0.16, round=False, material="carton"),
    "bag": Body(
        ((0, 0.95), (0.04, 0.95), (0.10, 0.90), (0.3, 0.97), (0.6, 1), (0.88, 0.94), (0.95, 0.97), (1, 0.97)),
        top=0.03, bottom=0.97, round=False, material="foil"),
    "can": Body(
        ((0, 0.80), (0.022, 0.84), (0.03, 0.82), (0.085, 1), (0.93, 1), (0.985, 0.82), (1, 0.80)),
        top=0.05, bottom=0.955, lid=0.03, material="metal"),
    "tube": Body(
        ((0, 0.97), (0.018, 1), (0.075, 1), (0.076, 0.96), (0.975, 0.96), (0.976, 0.99), (1, 0.98)),
        top=0.076, bottom=0.975, lid=0.076, material="plastic"),
    "bottle": Body(
        ((0, 0.36), (0.012, 0.40), (0.085, 0.40), (0.086, 0.33), (0.13, 0.33), (0.19, 0.42), (0.27, 0.78), (0.35, 0.97),
         (0.42, 1), (0.95, 1), (0.985, 0.95), (1, 0.85)),
        top=0.37, bottom=0.93, lid=0.086, material="liquid"),
    "jar": Body(
        ((0, 0.84), (0.02, 0.9), (0.155, 0.9), (0.156, 0.80), (0.20, 0.84), (0.27, 0.98), (0.32, 1), (0.93, 1),
         (0.98, 0.95), (1, 0.86)),
        top=0.30, bottom=0.93, lid=0.156, material="glass"),
    "jug": Body(
        ((0, 0.30), (0.015, 0.34), (0.11, 0.34), (0.111, 0.28), (0.16, 0.30), (0.22, 0.62), (0.30, 0.90), (0.40, 1),
         (0.62, 0.96), (0.94, 1), (0.985, 0.95), (1, 0.86)),
        top=0.31, bottom=0.95, lid=0.111, material="plastic"),
}  # fmt: skip


def packshot(design: PackDesign, height: int = 480) -> Image.Image:
    """The pack from the front as RGBA, `height` pixels high, transparent around it."""
    return _drawn(design, height).copy()


@lru_cache(maxsize=512)
def _drawn(design: PackDesign, height: int) -> Image.Image:
    big_h = height * _OVERSAMPLING
    big_w = round(big_h * design.aspect)
    body = BODIES[design.shape]
    inside, across = _silhouette(body, big_w, big_h)
    colour = _body_colour(design, body, big_w, big_h)
    _apply_print(colour, design, body, across)
    if body.lid:
        _apply_lid(colour, design, body, across)
    colour = _rounded(colour, across) if body.round else _FLAT[design.shape](colour, design)
    alpha = (inside * 255).astype(np.uint8)
    pixels = np.dstack([np.clip(colour, 0, 255).astype(np.uint8), alpha])
    return Image.fromarray(pixels, "RGBA").resize(
        (max(1, round(height * design.aspect)), height), Image.Resampling.LANCZOS
    )


def _silhouette(body: Body, w: int, h: int) -> tuple[NDArray[np.bool_], Floats]:
    """Which pixels are pack, and how far across its row each lies: -1 the left outline, 1 the right one."""
    rows = (np.arange(h) + 0.5) / h
    half = np.interp(rows, [y for y, _ in body.outline], [x for _, x in body.outline]).astype(np.float32)
    across = ((np.arange(w) + 0.5) / w * 2 - 1).astype(np.float32)[None, :] / half[:, None]
    return np.abs(across) <= 1, np.clip(across, -1, 1)


def _body_colour(design: PackDesign, body: Body, w: int, h: int) -> Floats:
    glass = shade(design.flavour, -0.15)
    fill: RGB = {
        "metal": (196, 200, 206), "plastic": design.base, "liquid": glass, "glass": glass,
        "foil": shade(design.base, 0.1), "carton": shade(design.base, 0.12),
    }.get(body.material, design.base)  # fmt: skip
    colour = np.empty((h, w, 3), np.float32)
    colour[:] = fill
    if body.material in ("liquid", "glass"):
        empty = slice(int(h * body.lid), int(h * (body.lid + 0.05)))
        colour[empty] = (222, 230, 232)
    return colour


def _apply_print(colour: Floats, design: PackDesign, body: Body, across: Floats) -> None:
    """Lay the print on its rows; on round bodies it is wrapped, so it narrows towards the outline."""
    h, w = across.shape
    top, bottom = round(body.top * h), round(body.bottom * h)
    art = np.asarray(front(design, w, bottom - top), np.float32)
    u = across[top:bottom]
    if body.round:
        u = np.asarray(0.55 * u + 0.9 / np.pi * np.arcsin(u), np.float32)
    columns = np.clip(((u + 1) / 2 * w).astype(np.intp), 0, w - 1)
    colour[top:bottom] = art[np.arange(bottom - top)[:, None], columns]
    if body.material in ("liquid", "glass"):
        for edge in (top, bottom - round(h * 0.006)):
            colour[edge : edge + round(h * 0.006)] = (250, 246, 236)


def _apply_lid(colour: Floats, design: PackDesign, body: Body, across: Floats) -> None:
    rows = round(body.lid * len(colour))
    metal = body.material == "metal"
    colour[:rows] = (214, 218, 222) if metal else design.lid
    if not metal:
        ribs = 1 - 0.16 * (np.sin(np.arcsin(across[:rows]) * 34) > 0.2)
        ribs[: max(2, rows // 6)] = 1.12
        colour[:rows] *= ribs[..., None]
    colour[rows - max(2, rows // 14) : rows] *= 0.62


def _rounded(colour: Floats, across: Floats) -> Floats:
    """Light from the upper left on a cylinder: darker to the outline, a soft streak of gloss, a thin rim light."""
    normal = np.sqrt(np.clip(1 - across**2, 0, 1))
    lambert = 0.42 + 0.66 * np.clip(0.86 * normal - 0.34 * across, 0, 1)
    gloss = 0.34 * np.exp(-(((across + 0.52) / 0.085) ** 2)) + 0.10 * np.exp(-(((across - 0.78) / 0.06) ** 2))
    lit = colour * lambert[..., None]
    glossy: Floats = lit + (255 - lit) * gloss[..., None]
    return glossy


def _folded_box(colour: Floats, design: PackDesign) -> Floats:
    """The front of a box, and a sliver of its right side in shadow."""
    h, w = colour.shape[:2]
    side = round(w * 0.085)
    face = Image.fromarray(np.clip(colour, 0, 255).astype(np.uint8)).resize((w - side, h), Image.Resampling.BILINEAR)
    lit = np.empty_like(colour)
    sweep = (
        np.linspace(1.07, 0.93, h, dtype=np.float32)[:, None, None]
        * np.linspace(1.04, 0.97, w - side, dtype=np.float32)[None, :, None]
    )
    lit[:, : w - side] = np.asarray(face, np.float32) * sweep
    lit[:, w - side :] = np.asarray(shade(design.base, -0.45), np.float32)
    lit[:, w - side - 2 : w - side + 1] += 46
    lit[: max(2, h // 160)] += 40
    lit[-max(2, h // 110) :] *= 0.6
    return lit


def _folded_carton(colour: Floats, design: PackDesign) -> Floats:
    """A gable-top carton: a sealed fin, the sloping roof, a screw cap drawn on it."""
    h, w = colour.shape[:2]
    lit = _folded_box(colour, design)
    roof = slice(round(h * 0.045), round(h * 0.16))
    lit[roof] = (
        np.asarray(shade(design.base, 0.18), np.float32) * np.linspace(1.1, 0.86, roof.stop - roof.start)[:, None, None]
    )
    lit[: roof.start] = np.asarray(shade(design.base, 0.34), np.float32)
    lit[roof.start - 3 : roof.start] *= 0.7
    lit[roof.stop - 3 : roof.stop] *= 0.8
    face = Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))
    canvas = ImageDraw.Draw(face)
    x, y, r = w * 0.5, h * 0.105, w * 0.13
    canvas.ellipse((x - r, y - r * 0.72, x + r, y + r), fill=shade(design.lid, -0.4))
    canvas.ellipse((x - r, y - r * 0.95, x + r, y + r * 0.7), fill=design.lid)
    canvas.ellipse((x - r * 0.7, y - r * 0.7, x + r * 0.6, y + r * 0.4), fill=shade(design.lid, 0.25))
    return np.asarray(face, np.float32)


def _crumpled(colour: Floats, design: PackDesign) -> Floats:
    """A filled bag: pillow shading, wrinkles from a smooth random surface, crimped seams above and below."""
    h, w = colour.shape[:2]
    draw = np.random.default_rng(design.seed)
    coarse = Image.fromarray(draw.normal(0, 1, (9, 7)).astype(np.float32)).resize((w, h), Image.Resampling.BICUBIC)
    slope = (
        np.gradient(np.asarray(coarse, np.float32), axis=1) * w / 7
        + np.gradient(np.asarray(coarse, np.float32), axis=0) * h / 9
    )
    across = np.linspace(-1, 1, w, dtype=np.float32)[None, :]
    pillow = 0.66 + 0.42 * np.clip(np.sqrt(np.clip(1 - across**2, 0, 1)) - 0.18 * across, 0, 1.1)
    lit = colour * (pillow * (1 + 0.06 * slope))[..., None]
    shine = np.clip(slope - 0.9, 0, 2) * 0.11 + 0.12 * np.exp(-(((across + 0.45) / 0.12) ** 2))
    lit = lit + (255 - lit) * np.clip(shine, 0, 0.6)[..., None]
    for rows in (slice(0, round(h * 0.045)), slice(round(h * 0.955), h)):
        lit[rows] *= 0.9 + 0.16 * (np.arange(w) // max(2, w // 90) % 2)[None, :, None]
    return np.asarray(lit, np.float32)


_FLAT = {"box": _folded_box, "carton": _folded_carton, "bag": _crumpled}

__all__ = ["BODIES", "Body", "PackDesign", "packshot", "product"]
