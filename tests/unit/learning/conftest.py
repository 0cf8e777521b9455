"""Two small sets of photos as a frozen trunk sees them, computed once: rendered packs, and, where the photos lie beside the
checkout, fruit that looks alike.

What learns on them is squeezed into a few dimensions. In hundreds even a random map of good features finds most products;
in `DIM` it loses most of what the trunk saw, and only a map that learned what matters keeps it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from sklearn.metrics import label_ranking_average_precision_score
from torch import Tensor
from torch.nn import functional

from inventory_match.learning.augment import plain_view, training_view
from inventory_match.learning.data import load
from inventory_match.learning.labelled import Labelled, read_labelled
from inventory_match.learning.preset import Augment
from inventory_match.rendering.dataset import write_views
from inventory_match.vision.encoder import load_network
from inventory_match.vision.network import EmbeddingNetwork
from inventory_match.vision.weights import shipped_default

SHARED = Path(__file__).parents[4] / "shared"
FRUIT = ("Golden-Delicious", "Granny-Smith", "Pink-Lady", "Red-Delicious", "Royal-Gala", "Anjou", "Conference", "Peach")
PRODUCTS, EACH, SIZE, VIEWS, DIM = 8, 9, 96, 3, 4
PARTS, SPLITS = 3, 2


@dataclass(frozen=True)
class Features:
    """Of each photo: the features of its views, the first as it is and the others varied as in training, (n, views, width);
    its product (n,); and where a teacher puts it (n, DIM)."""

    views: Tensor
    labels: Tensor
    teacher: Tensor

    def __getitem__(self, rows: Tensor) -> Features:
        return Features(self.views[rows], self.labels[rows], self.teacher[rows])

    def splits(self) -> Iterator[tuple[Features, Features]]:
        """To learn from and to ask about: a third of each product's photos, another third each time. Each feature has mean
        0 and variance 1 over what is learned from."""
        for number in range(SPLITS):
            held_out = torch.arange(len(self.labels)) % PARTS == number
            known = self.views[~held_out].flatten(0, 1)
            scaled = Features((self.views - known.mean(dim=0)) / (known.std(dim=0) + 1e-3), self.labels, self.teacher)
            yield scaled[~held_out], scaled[held_out]


def precision(queries: Tensor, references: Tensor, right: Tensor) -> float:
    """Mean average precision of the references, ranked for each query by cosine; `right` (queries, references) says which
    should come first."""
    alike = functional.normalize(queries) @ functional.normalize(references).T
    return float(label_ranking_average_precision_score(right.numpy(), alike.numpy()))


def nearest(queries: Tensor, references: Tensor, count: int = 5) -> Tensor:
    """Which references are the `count` most alike, (queries, references) of bool."""
    alike = functional.normalize(queries) @ functional.normalize(references).T
    return torch.zeros_like(alike, dtype=torch.bool).scatter(1, alike.topk(count).indices, value=True)


@torch.no_grad()
def seen(photos: list[Labelled], weights: Path | None = None) -> Features:
    """By the shipped trunk, or one of torchvision's `weights`; the teacher is the shipped encoder, reduced by PCA to
    as many dimensions as learn from it."""
    record = shipped_default()
    teacher = load_network(record)
    trunk = EmbeddingNetwork("mobilenet_v2", 1, normalise=True).eval() if weights else teacher
    if weights:
        trunk.load_torchvision(torch.load(weights, map_location="cpu", weights_only=True))
    pixels = [load(photo, SIZE * 4 // 3) for photo in photos]
    torch.manual_seed(1)
    how = [plain_view(SIZE), *[training_view(SIZE, Augment())] * (VIEWS - 1)]
    batches = [torch.stack([view(one) for one in pixels]).float() / 127.5 - 1 for view in how]
    pictures = [batch.to(memory_format=torch.channels_last) for batch in batches]
    features = torch.stack([trunk.pooled(trunk.feature_map(batch)) for batch in pictures], dim=1)
    skus = sorted({photo.sku for photo in photos})
    taught = teacher(pictures[0])
    taught = taught - taught.mean(dim=0)
    taught = functional.normalize(taught @ torch.linalg.svd(taught, full_matrices=False).Vh[:DIM].T)
    return Features(features, torch.tensor([skus.index(photo.sku) for photo in photos]), taught)


@pytest.fixture(scope="session")
def packs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of rendered packs, in order of product."""
    table = write_views(tmp_path_factory.mktemp("packs"), 41, PRODUCTS, EACH, packshots=1)
    head, *rows = table.read_text().splitlines()
    table.write_text("\n".join([head, *sorted(rows)]) + "\n")
    return table


@pytest.fixture(scope="session")
def rendered(packs: Path) -> Features:
    return seen(read_labelled(packs))


@pytest.fixture(scope="session")
def fruit() -> Features:
    table, weights = SHARED / "data/grocery-store/train.csv", SHARED / "weights/mobilenet_v2_imagenet.pth"
    if not (table.exists() and weights.exists()):
        pytest.skip("needs the photos and weights of ../shared beside the checkout")
    photos = read_labelled(table)
    return seen([one for sku in FRUIT for one in [photo for photo in photos if photo.sku == sku][:EACH]], weights)


@pytest.fixture(params=["rendered", "fruit"])
def features(request: pytest.FixtureRequest) -> Features:
    found: Features = request.getfixturevalue(request.param)
    return found
