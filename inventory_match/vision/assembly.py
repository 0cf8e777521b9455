"""Encoder files from any torchvision trunk, without training: its features, and a linear map down to few dimensions.

The map is a seeded orthogonal projection, which keeps angles roughly and needs no photos; at the trunk's full width it is a
rotation and loses nothing. From there `learning.reduction` fits a better one on photos. The same arguments give the same
file, hence the same sha256.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision.models import get_model_weights

from inventory_match.domain.errors import ConfigurationError
from inventory_match.vision.network import EmbeddingNetwork
from inventory_match.vision.weights import UNCALIBRATED, EncoderRecord, Preprocessing, write

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_FROM_TENSORFLOW = ("inception_v3", "googlenet")
"""Trained on -1..1. torchvision takes them ImageNet's mean and deviation and converts inside the model, if it brought the
weights itself. A trunk is only its layers, so the record says what these really want."""


def assemble(out: Path, arch: str, *, weights: str | None = "DEFAULT", dim: int = 256, seed: int = 0) -> EncoderRecord:
    """Writes an encoder file of torchvision's `arch` and returns its record.

    `weights` names torchvision's own download ("DEFAULT", "IMAGENET1K_V2") or is None for seeded random ones, which
    serve comparisons only. Raises ConfigurationError for more dimensions than the trunk has features.
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
    record = EncoderRecord(
        name=f"{arch}-{weights or 'random'}-{dim}".lower(),
        arch=arch,
        dim=dim,
        metric="cosine",
        preprocessing=trained_with(arch, weights),
        head=f"orthogonal, seed {seed}",
        licence="as torchvision states for these weights" if weights else "none needed: random weights",
        origin=f"torchvision {arch} {weights}" if weights else f"random, seed {seed}",
        thresholds=UNCALIBRATED,
    )
    return write(out, record, network.state_dict())


def trained_with(arch: str, weights: str | None) -> Preprocessing:
    """Size, mean and deviation that torchvision's `weights` were trained with (of random ones: what is usual); crops are
    stretched, since boxes are tight already."""
    known: Any = get_model_weights(arch)
    transform = (known[weights] if weights else next(iter(known))).transforms()
    mean, std = (tuple(transform.mean), tuple(transform.std)) if weights else _IMAGENET
    if arch in _FROM_TENSORFLOW:
        mean = std = (0.5, 0.5, 0.5)
    return Preprocessing(size=transform.crop_size[0], mean=mean, std=std)
