"""Fewer dimensions after the fact: PCA, whitening and LDA fitted on references and folded into an encoder's head.

What is fitted is scikit-learn's; what is kept of it is a linear map and a shift, and these make one linear layer of the
head that is there, so serving knows nothing of it and a reduced encoder is a file like any other.

A cosine encoder normalises behind its head. The map stands before that, so it is fitted on what it will be given: the
head's output at its own length. Fitted on normalised vectors its shift would be right for unit length only, and no longer
fit the head. Nor is it fitted on the trunk's features: what training taught the head would be lost.

| method | keeps | source |
|---|---|---|
| pca | the directions in which references vary most; Euclidean distances as well as so many dimensions can | Pearson 1901 |
| whiten | the same, all with one variance: what many products share no longer outweighs the rest | Jégou & Chum, ECCV 2012 |
| lda | the directions that tell these products apart, in which one product's photos vary alike | Fisher 1936; Rao 1948 |

Whitening and LDA leave the length of vectors open: it stays the one the references had, so that weights fit 16 bits and a
Euclidean similarity, 1 / (1 + distance), means about what it did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from inventory_match.domain.errors import ConfigurationError
from inventory_match.vision.encoder import TorchEncoder
from inventory_match.vision.weights import UNCALIBRATED, EncoderRecord, read_tensors, write

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inventory_match.learning.labelled import Labelled
    from inventory_match.ports import Decoder, Embeddings

    Floats = NDArray[np.float64]

Method: TypeAlias = Literal["pca", "whiten", "lda"]
METHODS: tuple[Method, ...] = ("pca", "whiten", "lda")
BATCH = 32
FAINTEST = 1e-6
"""Share of the greatest variance below which a direction is rounding, not something to blow up to 1."""


@dataclass(frozen=True, slots=True)
class LinearMap:
    """x to weight @ x + bias: weight (dim, width), bias (dim,)."""

    weight: Floats
    bias: Floats

    def __call__(self, vectors: Embeddings) -> Floats:
        """(n, width) to (n, dim)."""
        return vectors @ self.weight.T + self.bias


@dataclass(frozen=True, slots=True)
class Reduction:
    """What `fit` is asked for."""

    method: Method
    dim: int
    shrinkage: float | None = None


def fit(
    method: Method, vectors: Embeddings, skus: Sequence[str], dim: int, shrinkage: float | None = None
) -> LinearMap:
    """The map of (n, width) vectors, of the products `skus`, to `dim` dimensions; their mean becomes the origin.

    `shrinkage`, of LDA alone, says how far (0..1) the spread within products is taken for a ball: a network's own training
    photos lie closer together than new ones will, so more than their statistics ask for may be right. None: what these ask
    for (Ledoit & Wolf 2004).
    Raises ConfigurationError for a method not in METHODS, and where the references cannot carry `dim` dimensions: PCA and
    whitening need more references than that, LDA more products, and several photos of some.
    """
    if method not in METHODS:
        raise ConfigurationError(f"unknown reduction {method!r}; choose among {', '.join(METHODS)}")
    if not 1 <= dim <= vectors.shape[1]:
        raise ConfigurationError(f"the encoder gives {vectors.shape[1]} dimensions, which cannot be reduced to {dim}")
    exact = vectors.astype(np.float64)
    fitted = _lda(exact, skus, dim, shrinkage) if method == "lda" else _pca(exact, dim, whiten=method == "whiten")
    # All three are affine, so what they do to the axes and to the origin says everything.
    axes, origin = fitted.transform(np.eye(exact.shape[1])), fitted.transform(np.zeros((1, exact.shape[1])))
    weight: Floats = (axes - origin).T
    mean = exact.mean(axis=0)
    if method != "pca":
        weight *= np.linalg.norm(exact - mean) / np.linalg.norm((exact - mean) @ weight.T)
    return LinearMap(weight, -weight @ mean)


def _pca(vectors: Floats, dim: int, *, whiten: bool) -> Any:
    from sklearn.decomposition import PCA

    if len(vectors) <= dim:
        raise ConfigurationError(
            f"{dim} dimensions need more than {dim} references, got {len(vectors)}; give more, or ask for fewer dimensions"
        )
    fitted = PCA(dim, whiten=whiten, svd_solver="covariance_eigh").fit(vectors)
    carried = int((fitted.explained_variance_ > FAINTEST * fitted.explained_variance_[0]).sum())
    if whiten and carried < dim:
        raise ConfigurationError(f"the references vary in {carried} dimensions only; whitening cannot give {dim}")
    return fitted


def _lda(vectors: Floats, skus: Sequence[str], dim: int, shrinkage: float | None) -> Any:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    products = len(set(skus))
    if dim > products - 1:
        raise ConfigurationError(
            f"LDA gives at most one dimension fewer than there are products: {products} products, {dim} dimensions asked "
            "for; ask for fewer, or use pca"
        )
    if len(vectors) == products:
        raise ConfigurationError("LDA learns from how photos of one product differ; give two of some product at least")
    # Never quite without: a few photos a product do not fill a covariance of hundreds of dimensions.
    shrunk = "auto" if shrinkage is None else shrinkage
    return LinearDiscriminantAnalysis(solver="eigen", shrinkage=shrunk, n_components=dim).fit(vectors, list(skus))


def reduce(
    record: EncoderRecord,
    out: Path,
    references: Sequence[Labelled],
    *,
    how: Reduction,
    metric: Literal["cosine", "euclidean"],
    decode: Decoder,
    progress: Callable[[int], None],
    name: str | None = None,
) -> EncoderRecord:
    """Writes to `out` the encoder of `record` with fewer dimensions, to be compared by `metric`; returns its record.

    `progress` is told how many references are done at each step. Thresholds mean nothing for the new vectors and are
    uncalibrated. Raises what `fit` does, and InvalidInput for a photo nobody can read.
    """
    vectors = np.concatenate(list(_raw_embeddings(record, references, decode, progress)))
    reduction = fit(how.method, vectors, [one.sku for one in references], how.dim, how.shrinkage)
    reduced = replace(
        record,
        name=name or f"{record.name}-{how.method}-{how.dim}",
        dim=how.dim,
        metric=metric,
        head=f"{record.head}; {how.method} to {how.dim} fitted on {len(references)} references",
        thresholds=UNCALIBRATED,
    )
    return write(out, reduced, _folded(record, reduction))


def _raw_embeddings(
    record: EncoderRecord, references: Sequence[Labelled], decode: Decoder, progress: Callable[[int], None]
) -> Iterator[Embeddings]:
    """The head's output, (n, dim) a batch: a Euclidean encoder is one that does not normalise."""
    encoder = TorchEncoder(replace(record, metric="euclidean"))
    for start in range(0, len(references), BATCH):
        batch = references[start : start + BATCH]
        yield encoder.embed([one.pixels(decode) for one in batch])
        progress(len(batch))


def _folded(record: EncoderRecord, reduction: LinearMap) -> dict[str, Any]:
    """The file's tensors with the map folded into the head."""
    import torch

    tensors = read_tensors(record)
    weight, bias = (tensors[name].numpy().astype(np.float64) for name in ("head.weight", "head.bias"))
    folded = {"head.weight": reduction.weight @ weight, "head.bias": reduction.weight @ bias + reduction.bias}
    return tensors | {name: torch.from_numpy(values).float() for name, values in folded.items()}
