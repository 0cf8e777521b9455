"""The heat lies where the product is, follows the reference, and its shares add up to the similarity that SQL would say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from PIL import Image

from inventory_match.rendering.designs import product
from inventory_match.rendering.packs import packshot
from inventory_match.vision.assembly import assemble
from inventory_match.vision.encoder import TorchEncoder
from inventory_match.vision.saliency import Saliency, looked_at
from inventory_match.vision.weights import Preprocessing, shipped_default

if TYPE_CHECKING:
    from inventory_match.ports import Image as Pixels

PACKS = [packshot(product(7, index), 180) for index in (0, 2)]
SIDE = 400


def alone(pack: Image.Image) -> Pixels:
    """A reference photo: the pack on white."""
    view = Image.new("RGB", (pack.width + 16, pack.height + 16), "white")
    view.paste(pack, (8, 8), pack)
    return np.asarray(view)


def placed(*where: tuple[Image.Image, int, int]) -> Pixels:
    """Packs on a plain grey canvas, each with its top left corner."""
    canvas = Image.new("RGB", (SIDE, SIDE), (150, 150, 150))
    for pack, x, y in where:
        canvas.paste(pack, (x, y), pack)
    return np.asarray(canvas)


@pytest.fixture(scope="module")
def shipped() -> tuple[TorchEncoder, Saliency]:
    record = shipped_default()
    return TorchEncoder(record, threads=1), Saliency(record)


def test_the_heat_lies_on_the_product_and_follows_the_reference(shipped: tuple[TorchEncoder, Saliency]) -> None:
    encoder, saliency = shipped
    one, other = PACKS
    far = SIDE - max(one.width, other.width), SIDE - 180
    crop = placed((one, 0, 0), (other, *far))
    near = [np.s_[: one.height, : one.width], np.s_[far[1] :, far[0] :]]
    references = encoder.embed([alone(one), alone(other)])
    for at, (mine, its) in enumerate([near, near[::-1]]):
        heat = saliency.heat(crop, references[at])
        assert heat.shape == (SIDE, SIDE)
        assert heat[mine].sum() > 2 * heat[its].sum(), f"reference {at} is found in its own corner"
    corner = saliency.heat(placed((other, *far)), references[1])
    assert corner[near[1]].sum() > 0.6 * corner.sum(), "a fifth of the canvas carries most of it"


def test_the_shares_add_up_to_the_similarity(shipped: tuple[TorchEncoder, Saliency]) -> None:
    encoder, saliency = shipped
    crop = placed((PACKS[0], 30, 60))
    seen, reference = encoder.embed([crop, alone(PACKS[0])])
    assert saliency.shares(crop, reference).mean() == pytest.approx(float(seen @ reference), abs=2e-3)


def test_any_trunk_is_explained_over_the_pixels_of_the_crop(tmp_path: Path) -> None:
    record = assemble(tmp_path / "e.safetensors", "resnet18", weights=None, dim=16)
    crop = np.random.default_rng(1).integers(0, 255, (30, 90, 3), np.uint8)
    [vector] = TorchEncoder(record, threads=1).embed([crop])
    saliency = Saliency(record)
    assert saliency.heat(crop, vector).shape == (30, 90)
    assert saliency.shares(crop, vector).mean() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(
    ("resize", "cut", "square"),
    [
        ("stretch", None, (0, 0, 200, 100)),
        ("pad", None, (0, -50, 200, 150)),
        ("shorter_side", 224, (50, 0, 150, 100)),
        ("shorter_side", 112, (75, 25, 125, 75)),
    ],
)
def test_the_heat_is_laid_where_the_network_looked(
    resize: Literal["stretch", "pad", "shorter_side"], cut: int | None, square: tuple[int, int, int, int]
) -> None:
    how = Preprocessing(224, (0, 0, 0), (1, 1, 1), resize, cut)
    assert looked_at(200, 100, how) == square
