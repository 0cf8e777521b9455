"""A studio on the machine's S3 with an encoder at the port that is quick and tells colours apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image as Pillow

from inventory_match.bootstrap import App
from inventory_match.domain.matching import Thresholds
from inventory_match.enrol import Studio
from inventory_match.vision.images import crop, decoder
from inventory_match.vision.jpeg import encode_jpeg

if TYPE_CHECKING:
    from inventory_match.ports import Embeddings, Image

COLOURS = {"red": (200, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 200), "grey": (90, 90, 90)}


@dataclass
class ColourEncoder:
    """Mean colour of each third of a crop, L2-normalised: 9 dimensions. Remembers the shapes it was given."""

    sha256: str = "c" * 64
    name: str = "colours"
    arch: str = "none"
    dim: int = 9
    metric: str = "cosine"
    seen: list[tuple[int, ...]] = field(default_factory=list)

    def to_json(self) -> str:
        return '{"licence": "none"}'

    def embed(self, crops: Sequence[Image]) -> Embeddings:
        self.seen += [crop.shape for crop in crops]
        means = [[part.reshape(-1, 3).mean(0) for part in np.array_split(each, 3)] for each in crops]
        vectors = np.asarray(means, np.float32).reshape(len(crops), 9) + 1e-3
        unit: Embeddings = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


@pytest.fixture
def colours() -> ColourEncoder:
    return ColourEncoder()


@pytest.fixture
def studio(app: App, colours: ColourEncoder) -> Studio:
    thresholds = Thresholds(0.9, 0.01)
    return Studio(app.store, app.settings.bucket, decoder(), crop, encode_jpeg, colours, colours, thresholds)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with one plain picture of each colour, 40 x 30 px, named like it."""
    for name, colour in COLOURS.items():
        Pillow.new("RGB", (40, 30), colour).save(tmp_path / f"{name}.png")
    return tmp_path
