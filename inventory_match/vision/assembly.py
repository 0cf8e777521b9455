"""Encoder files from any torchvision trunk, without training: its features, and a linear map down to few dimensions.

The map is a principal component analysis of features when crops to fit it on are at hand, else a seeded orthogonal
projection, which keeps angles roughly and needs nothing. The same arguments give the same file, hence the same sha256.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torchvision.models import get_model_weights

from inventory_match.domain.errors import ConfigurationError
from inventory_match.vision.encoder import preprocess
from inventory_match.vision.network import EmbeddingNetwork
from inventory_match.vision.weights import UNCALIBRATED, EncoderRecord, Preprocessing, write

if TYPE_CHECKING:
    from inventory_match.ports import Image

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_FROM_TENSORFLOW = ("inception_v3", "googlenet")
"""Trained on -1..1. torchvision takes them ImageNet's mean and deviation and converts inside the model, if it brought the
weights itself. A trunk is only its layers, so the record says what these really want."""


def assemble(
    out: Path, arch: str, *, weights: str | None = "DEFAULT", dim: int = 256, seed: int = 0, crops: Sequence[Image] = ()
) -> EncoderRecord:
    """Writes an encoder file of torchvision's `arch` and returns its record.

    `weights` names torchvision's own download ("DEFAULT", "IMAGENET1K_V2") or is None for seeded random ones, which
    serve comparisons only. With `crops` (at least `dim` of them) the head is their PCA, without any it is orthogonal.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = EmbeddingNetwork(arch, dim, normalise=True, weights=weights).eval()
        if dim > network.width:
            raise ConfigurationError(
                f"{arch} has {network.width} features, too few for {dim} dimensions; ask for fewer"
            )
        nn.init.orthogonal_(network.head.weight)
        nn.init.zeros_(network.head.bias)
    how = _preprocessing(arch, weights)
    if crops:
        weight, bias = fit_pca(_features(network, crops, how), dim)
        network.head.weight.data, network.head.bias.data = weight, bias
    record = EncoderRecord(
        name=f"{arch}-{weights or 'random'}-{dim}".lower(),
        arch=arch,
        dim=dim,
        metric="cosine",
        preprocessing=how,
        head=f"PCA of {len(crops)} crops" if crops else f"orthogonal, seed {seed}",
        licence="as torchvision states for these weights" if weights else "none needed: random weights",
        origin=f"torchvision {arch} {weights}" if weights else f"random, seed {seed}",
        thresholds=UNCALIBRATED,
    )
    return write(out, record, network.state_dict())


def fit_pca(features: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight (dim, width) and bias (dim,) that map features (n, width) to their first `dim` principal components."""
    if len(features) < dim:
        raise ConfigurationError(
            f"a PCA to {dim} dimensions needs at least {dim} crops, got {len(features)}; give more"
        )
    mean = features.mean(0)
    _, axes = torch.linalg.eigh(torch.cov(features.T.double()))
    weight = axes.flip(1)[:, :dim].T.to(features.dtype).contiguous()
    return weight, -(weight @ mean)


@torch.inference_mode()
def _features(network: EmbeddingNetwork, crops: Sequence[Image], how: Preprocessing, batch: int = 32) -> torch.Tensor:
    starts = range(0, len(crops), batch)
    maps = (network.feature_map(preprocess(crops[start : start + batch], how)) for start in starts)
    return torch.cat([network.pooled(features) for features in maps])


def _preprocessing(arch: str, weights: str | None) -> Preprocessing:
    """Size, mean and deviation the weights were trained with; crops are stretched, since boxes are tight already."""
    known: Any = get_model_weights(arch)
    transform = (known[weights] if weights else next(iter(known))).transforms()
    mean, std = (tuple(transform.mean), tuple(transform.std)) if weights else _IMAGENET
    if arch in _FROM_TENSORFLOW:
        mean = std = (0.5, 0.5, 0.5)
    return Preprocessing(size=transform.crop_size[0], mean=mean, std=std)
