"""From a trained network to the file that serving loads: what only training needs is folded away or left behind."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_linear_bn_weights

from inventory_match.learning.network import TrainingNetwork, normalisation
from inventory_match.learning.preset import Preset
from inventory_match.vision.network import EmbeddingNetwork
from inventory_match.vision.weights import UNCALIBRATED, EncoderRecord, Preprocessing, write


def export(network: TrainingNetwork, record: EncoderRecord, out: Path) -> EncoderRecord:
    """Writes the encoder of `network` to `out`; the returned record carries the file's sha256."""
    encoder = network.encoder
    weight, bias = folded(encoder.head, network.norm)
    return write(out, record, encoder.state_dict() | {"head.weight": weight, "head.bias": bias})


def folded(linear: nn.Linear, norm: nn.BatchNorm1d) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias of the one linear map that does what `linear` and then `norm`, in evaluation mode, do."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a batch norm without running statistics cannot be folded")
    weight, bias = fuse_linear_bn_weights(
        linear.weight, linear.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    return weight.detach(), bias.detach()


def record_of(preset: Preset, encoder: EmbeddingNetwork) -> EncoderRecord:
    """What the exported file of this encoder says about itself."""
    network, about = preset.network, preset.about
    return EncoderRecord(
        name=about.name,
        arch=network.arch,
        dim=encoder.head.out_features,
        metric="cosine",
        preprocessing=Preprocessing(network.size, *normalisation(network)),
        head="trained with the trunk" if network.mode != "head" else "trained on the frozen trunk",
        licence=about.licence,
        origin=about.origin,
        thresholds=UNCALIBRATED,
        pool=network.pool,
        mirror=network.mirror,
        branches=encoder.branches,
        shared=encoder.shared,
    )
