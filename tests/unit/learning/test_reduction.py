"""Reductions keep what they say, teach what they can, and end as an ordinary encoder file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import roc_auc_score

from inventory_match.domain.errors import ConfigurationError
from inventory_match.learning.labelled import read_labelled
from inventory_match.learning.reduction import METHODS, Method, Reduction, fit, reduce
from inventory_match.vision.assembly import assemble
from inventory_match.vision.encoder import TorchEncoder
from inventory_match.vision.images import decoder
from inventory_match.vision.weights import UNCALIBRATED, read_record

from .conftest import VIEWS, Features, nearest, precision

Vectors = NDArray[np.float32]
PRODUCTS, EACH, WIDTH = 12, 10, 40


def photos(seed: int) -> tuple[Vectors, list[str]]:
    """Vectors in which 30 directions of loud nuisance (light, framing) drown the ten that tell products apart."""
    products = np.random.default_rng(0).normal(0, 1, (PRODUCTS, 10))
    draw = np.random.default_rng(seed)
    mixing = np.linalg.qr(np.random.default_rng(9).normal(size=(WIDTH, WIDTH)))[0]
    numbers = np.repeat(np.arange(PRODUCTS), EACH)
    told = products[numbers] + draw.normal(0, 0.3, (len(numbers), 10))
    loud = draw.normal(0, 1.5, (len(numbers), WIDTH - 10))
    vectors: Vectors = (np.hstack([told, loud]) @ mixing + 5).astype(np.float32)
    return vectors, [f"p{number:02}" for number in numbers]


def told_apart(vectors: NDArray[np.float64] | Vectors, skus: list[str]) -> float:
    """Share of pairs of pairs, of one product and of two, that the cosine puts in order."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    one, other = np.triu_indices(len(unit), 1)
    return float(roc_auc_score(np.array(skus)[one] == np.array(skus)[other], (unit @ unit.T)[one, other]))


def test_lda_learns_what_tells_products_apart() -> None:
    learned, (asked, truth) = photos(1), photos(2)
    mapped = fit("lda", *learned, dim=8)(asked)
    assert mapped.shape == (PRODUCTS * EACH, 8)
    assert told_apart(mapped, truth) > told_apart(asked, truth) + 0.15
    balled = fit("lda", *learned, dim=8, shrinkage=1.0)(asked)
    assert told_apart(mapped, truth) > told_apart(balled, truth) + 0.05, "nothing of the spread is heeded"
    mixed = list(np.random.default_rng(0).permutation(learned[1]))
    assert told_apart(fit("lda", learned[0], mixed, dim=8)(asked), truth) < told_apart(asked, truth) + 0.1


def test_whitening_learns_to_overlook_what_all_products_share() -> None:
    """Two directions in which every photo varies widely outshout the others, until each has the same say."""
    products = np.random.default_rng(0).normal(0, 1, (PRODUCTS, 10))
    skus = [f"p{number:02}" for number in range(PRODUCTS) for _ in range(EACH)]

    def drawn(seed: int) -> Vectors:
        draw = np.random.default_rng(seed)
        told = np.repeat(products, EACH, axis=0) + draw.normal(0, 0.3, (len(skus), 10))
        return np.hstack([told, draw.normal(0, 12, (len(skus), 2))]).astype(np.float32)

    learned, asked = drawn(1), drawn(2)
    assert told_apart(fit("whiten", learned, skus, 12)(asked), skus) > told_apart(asked, skus) + 0.2
    whitened = fit("whiten", learned, skus, 12)(learned)
    variance = np.cov(whitened.T)
    assert variance == pytest.approx(variance[0, 0] * np.eye(12), abs=1e-6 * variance[0, 0])
    assert np.linalg.norm(whitened) == pytest.approx(np.linalg.norm(learned - learned.mean(axis=0)), rel=1e-4)


def test_pca_keeps_more_of_the_distances_than_chance_does() -> None:
    """Learned on some photos, held against others, whose vectors fill five of the forty dimensions but for noise."""
    basis = np.random.default_rng(4).normal(size=(5, WIDTH))

    def drawn(seed: int) -> Vectors:
        draw = np.random.default_rng(seed)
        return (draw.normal(size=(60, 5)) @ basis + draw.normal(0, 0.1, (60, WIDTH)) + 3).astype(np.float32)

    def distances(vectors: NDArray[np.float64] | Vectors) -> NDArray[np.float64]:
        one, other = np.triu_indices(len(vectors), 1)
        return np.asarray(np.linalg.norm(vectors[one] - vectors[other], axis=1), np.float64)

    asked = drawn(2)
    kept = fit("pca", drawn(1), ["one"] * 60, 5)(asked)
    by_chance = asked[:, :5]
    assert distances(kept) == pytest.approx(distances(asked), rel=0.15)
    assert (
        np.abs(distances(kept) - distances(asked)).mean() < 0.1 * np.abs(distances(by_chance) - distances(asked)).mean()
    )


def photographed(features: Features) -> Iterator[tuple[Features, Features]]:
    """The splits, in 128 orthogonal dimensions of what the trunk saw."""
    width = features.views.shape[2]
    basis = torch.linalg.qr(torch.randn(width, 128, generator=torch.Generator().manual_seed(5)))[0]
    for known, asked in features.splits():
        yield replace(known, views=known.views @ basis), replace(asked, views=asked.views @ basis)


def mapped(method: Method, labels: torch.Tensor, dim: int, *vectors: torch.Tensor) -> list[torch.Tensor]:
    """`vectors` under the map fitted on the first of them."""
    found = fit(method, vectors[0].numpy(), [str(number) for number in labels.tolist()], dim)
    return [torch.from_numpy(found(rows.numpy())) for rows in vectors]


def test_lda_of_photos_finds_more_products_than_pca_in_as_few_dimensions(features: Features) -> None:
    """By varied views of held-out photos; two dimensions, in which PCA cannot hold all that matters. Products dealt out
    anew teach LDA nothing."""
    found: dict[str, list[float]] = {"lda": [], "pca": [], "dealt out": []}
    for known, asked in photographed(features):
        vectors, wanted = known.views.flatten(0, 1), asked.views[:, 1:].flatten(0, 1)
        labels, truth = (part.labels.repeat_interleave(n) for part, n in ((known, VIEWS), (asked, VIEWS - 1)))
        dealt = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(6))]
        right = truth[:, None] == labels
        for name, method, told in (("lda", "lda", labels), ("pca", "pca", labels), ("dealt out", "lda", dealt)):
            references, queries = mapped(cast("Method", method), told, 2, vectors, wanted)
            found[name].append(precision(queries, references, right))
    lda, pca, dealt_out = (fmean(figures) for figures in found.values())
    assert lda > pca + 0.03
    assert lda > dealt_out + 0.1


def test_pca_and_whitening_of_photos_keep_whom_they_are_near(features: Features) -> None:
    """A sixteenth of the dimensions, held against all: whom a held-out photo is nearest to. As many taken by chance keep
    less."""
    found: dict[str, list[float]] = {"pca": [], "whiten": [], "chance": []}
    for known, asked in photographed(features):
        vectors, wanted = known.views[:, 0], asked.views[:, 0]
        vectors, wanted = vectors - vectors.mean(dim=0), wanted - vectors.mean(dim=0)
        near = nearest(wanted, vectors)
        for method in ("pca", "whiten"):
            references, queries = mapped(method, known.labels, 8, vectors, wanted)
            found[method].append(precision(queries, references, near))
        found["chance"].append(precision(wanted[:, :8], vectors[:, :8], near))
    pca, whitened, chance = (fmean(figures) for figures in found.values())
    assert min(pca, whitened) > max(0.6, chance + 0.1)


def test_the_origin_is_the_mean_of_the_references() -> None:
    vectors, skus = photos(1)
    for method in METHODS:
        assert fit(method, vectors, skus, 5)(vectors).mean(axis=0) == pytest.approx(np.zeros(5), abs=1e-4)


def test_what_references_cannot_carry_is_refused() -> None:
    vectors, skus = photos(1)
    with pytest.raises(ConfigurationError, match=r"12 products, 12 dimensions asked for; ask for fewer"):
        fit("lda", vectors, skus, 12)
    with pytest.raises(ConfigurationError, match="two of some product"):
        fit("lda", vectors[::EACH], skus[::EACH], 5)
    with pytest.raises(ConfigurationError, match="more than 20 references, got 20"):
        fit("pca", vectors[:20], skus[:20], 20)
    with pytest.raises(ConfigurationError, match="vary in 1 dimensions only"):
        fit("whiten", np.outer(np.arange(30.0), np.ones(WIDTH)).astype(np.float32), ["one"] * 30, 4)
    with pytest.raises(ConfigurationError, match="gives 40 dimensions"):
        fit("pca", vectors, skus, 41)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, draw = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    lines = ["image,sku"]
    for number in range(12):
        pixels = draw.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((40, 40)).save(folder / f"{number}.png")
        lines.append(f"{number}.png,p{number % 4}")
    (folder / "pictures.csv").write_text("\n".join(lines) + "\n")
    return folder / "pictures.csv"


@pytest.mark.parametrize("method", METHODS)
def test_a_reduced_encoder_serves_what_was_fitted(tmp_path: Path, pictures: Path, method: Method) -> None:
    made = assemble(tmp_path / "e.safetensors", "shufflenet_v2_x0_5", weights=None, dim=8)
    references, told = read_labelled(pictures), list[int]()
    reduced = reduce(
        made, tmp_path / "r.safetensors", references,
        how=Reduction(method, 3), metric="euclidean", decode=decoder(), progress=told.append,
    )  # fmt: skip
    assert sum(told) == len(references)
    assert read_record(tmp_path / "r.safetensors") == reduced
    assert (reduced.dim, reduced.metric, reduced.thresholds) == (3, "euclidean", UNCALIBRATED)
    assert reduced.head.endswith(f"{method} to 3 fitted on 12 references")
    crops = [one.pixels(decoder()) for one in references]
    before = TorchEncoder(replace(made, metric="euclidean")).embed(crops)
    wanted = fit(method, before, [one.sku for one in references], 3)(before)
    served = TorchEncoder(reduced).embed(crops)
    assert served == pytest.approx(wanted, abs=0.02 * float(np.abs(wanted).max())), "but for weights of 16 bits"
