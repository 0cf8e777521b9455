"""The shape every encoder has: feature map, pooling, one linear map to the embedding.

The feature map comes from a torchvision network without its classifier: VGG, ResNet, Inception, MobileNet, EfficientNet,
ConvNeXt, DenseNet, RegNet ... Whatever brought the linear map about (training, PCA, a seeded orthogonal projection),
serving sees one weight and one bias, so an encoder file means the same for all of them.

torchvision's convolutional models run their children in the order they are listed in, up to the pooling (its own
`IntermediateLayerGetter` rests on the same). So a trunk is a plain `Sequential` of them under torchvision's names, and its
blocks can be frozen, folded or looked at one by one. Models that do not work so (ViT, SqueezeNet) are refused.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Sequence
from http.client import HTTPException
from itertools import pairwise, takewhile
from pathlib import Path
from pickle import UnpicklingError  # nosec B403 # the name of a failure; nothing is loaded here
from typing import cast
from urllib.error import HTTPError

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import get_model, get_model_builder, get_model_weights

from inventory_match.domain.errors import ConfigurationError, ServiceUnavailable
from inventory_match.vision.weights import Pool

_EXTRA = {"inception_v3": {"init_weights": False}, "googlenet": {"init_weights": False}}
"""These two draw truncated normals with scipy for half a minute unless told not to."""

_SIDE = ("AuxLogits", "aux1", "aux2")
"""Inception's side classifiers, only of use to its first training."""

_BEHIND_FEATURES = ("avgpool", "dropout", "fc", "head", "classifier")
"""What torchvision calls the children that come after the feature map."""

_SMALLEST = 96
"""Side in px of a picture every trunk can take (Inception needs 75)."""

_widths: dict[str, int] = {}
"""By name, once found: trying takes half the time of building a network without its weights."""


def build_trunk(arch: str, weights: str | None = None) -> tuple[nn.Sequential, nn.Sequential, int]:
    """Of torchvision's model `arch`: what maps (n, 3, h, w) to features (n, width, h', w'), what normalises these once
    they are pooled (ConvNeXt; else nothing), and the width.

    `weights` is torchvision's name ("DEFAULT", "IMAGENET1K_V1"), downloaded by torchvision, or None for random ones.
    Raises ConfigurationError for a name torchvision does not have or a model that is no convolutional network ending in a
    linear layer, ServiceUnavailable where a download fails.
    """
    try:
        get_model_builder(arch)
    except ValueError as error:
        raise ConfigurationError(f"torchvision has no model {arch!r}; try mobilenet_v2 or resnet50") from error
    model = get_model(arch, **_EXTRA.get(arch, {})) if weights is None else downloaded(arch, weights)
    children = list(model.named_children())
    if not any(isinstance(layer, nn.Linear) for layer in children[-1][1].modules()):
        raise ConfigurationError(f"{arch!r} does not end in a linear classifier, so it cannot be a trunk")
    kept = [(name, child) for name, child in _features(children) if name not in _SIDE]
    if arch.startswith("densenet"):  # calls it in `forward`
        kept.append(("relu", nn.ReLU(inplace=True)))
    trunk = nn.Sequential(OrderedDict(kept))
    return trunk, _neck(*children[-1]), _width(trunk, arch)


def downloaded(arch: str, weights: str) -> nn.Module:
    """torchvision's model with its own weights, kept in torch's folder for downloads, where a file may be laid by hand too.

    Raises ConfigurationError for weights torchvision does not have or that are damaged, ServiceUnavailable where they cannot be
    fetched.
    """
    known = get_model_weights(arch).__members__
    if weights not in known:
        raise ConfigurationError(
            f"weights {weights!r} are not among torchvision's of {arch}: {', '.join(known)}"
            " (files to start from end in .pth or .safetensors)"
        )
    url = str(known[weights].url)
    kept = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    try:
        # torchvision unpickles whatever lies there; this refuses a file that holds more than tensors, before it does.
        known[weights].get_state_dict(check_hash=True, weights_only=True)
        return cast("nn.Module", get_model(arch, weights=weights))
    except (OSError, HTTPException) as error:
        if isinstance(error, HTTPError):  # it is the answer, too, and holds its socket
            error.close()
        cure = f"try again, or fetch {url} by other means and lay it down as {kept}"
        raise ServiceUnavailable(f"the weights {weights} of {arch} could not be downloaded: {error}; {cure}") from error
    except (RuntimeError, EOFError, UnpicklingError) as error:
        cure = f"remove {kept} if it is there, and let {url} be fetched again"
        raise ConfigurationError(f"the weights {weights} of {arch} are damaged: {error}; {cure}") from error


def _features(children: list[tuple[str, nn.Module]]) -> list[tuple[str, nn.Module]]:
    return list(takewhile(lambda child: child[0] not in _BEHIND_FEATURES, children))


def _neck(name: str, classifier: nn.Module) -> nn.Sequential:
    """The norms a classifier begins with, under their names."""
    layers = takewhile(lambda layer: isinstance(layer[1], nn.LayerNorm), classifier.named_children())
    norms = OrderedDict(layers)
    return nn.Sequential(OrderedDict({name: nn.Sequential(norms)}) if norms else OrderedDict())


@torch.no_grad()
def _width(trunk: nn.Sequential, arch: str) -> int:
    """Found by trying; in evaluation mode, so that no batch norm remembers the blank picture."""
    if arch in _widths:
        return _widths[arch]
    try:
        shape = trunk.eval()(torch.zeros(1, 3, _SMALLEST, _SMALLEST)).shape
    except (AssertionError, NotImplementedError, RuntimeError, TypeError) as error:
        raise ConfigurationError(f"{arch!r} has no feature map to pool; use a convolutional network") from error
    if len(shape) != 4:
        raise ConfigurationError(f"{arch!r} has no feature map to pool; use a convolutional network")
    trunk.train()
    _widths[arch] = int(shape[1])
    return _widths[arch]


class GeM(nn.Module):
    """Generalised mean over the map, (n, c, h, w) to (n, c, 1, 1): the average where p is 1, towards the maximum above.

    p is learned. Radenovic, Tolias, Chum: Fine-tuning CNN Image Retrieval with No Human Annotation, TPAMI 2019.
    """

    def __init__(self, p: float = 3.0, least: float = 1e-6) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor(p))
        self._least = least  # a power of zero has no gradient

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        powers = features.clamp(min=self._least).pow(self.p)
        return functional.adaptive_avg_pool2d(powers, 1).pow(1 / self.p)


class Branches(nn.Module):
    """Several continuations of one trunk side by side: (n, c, h, w) to (n, branches * width, h', w')."""

    def __init__(self, branches: Sequence[nn.Sequential]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(seen) for branch in self.branches], dim=1)


def branched(trunk: nn.Sequential, branches: int, shared: int) -> nn.Sequential:
    """The trunk with its blocks behind the first `shared` there `branches` times, all of them seeing the same maps."""
    first = blocks_of(trunk)
    copies = [first[shared:], *(copy.deepcopy(first[shared:]) for _ in range(branches - 1))]
    parts = [("shared", nn.Sequential(*first[:shared])), ("parted", Branches([nn.Sequential(*one) for one in copies]))]
    return nn.Sequential(OrderedDict(parts))


def blocks_of(trunk: nn.Sequential) -> list[nn.Module]:
    """The trunk in pieces, first to last: torchvision's own, stages opened (MobileNetV2: 19, ResNet-50: 20)."""
    return [
        block
        for child in trunk.children()
        for block in (child.children() if type(child) is nn.Sequential else (child,))
    ]


class EmbeddingNetwork(nn.Module):
    """(n, 3, size, size) floats to (n, dim) embeddings, L2-normalised where the metric is cosine.

    Its steps are there for those who look inside or cache: `feature_map`, then `pooled`, then `head`. With `mirror` every
    picture is looked at twice, the second time mirrored, and the two maps are averaged: a product has no left and right
    of its own, and the network knows that only roughly. It costs twice the time. With several `branches` the trunk parts
    behind its first `shared` blocks (see `joining`); the map is theirs side by side, and so is what is pooled.
    """

    def __init__(
        self,
        arch: str,
        dim: int,
        *,
        normalise: bool,
        pool: Pool = "average",
        mirror: bool = False,
        branches: int = 1,
        shared: int = 0,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        self.trunk, self.neck, self.width = build_trunk(arch, weights)
        if branches > 1:
            self.trunk, self.width = branched(self.trunk, branches, shared), branches * self.width
        self.pool: nn.Module = GeM() if pool == "gem" else nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(self.width, dim)
        self.normalise, self.mirror, self.branches, self.shared = normalise, mirror, branches, shared

    def feature_map(self, batch: torch.Tensor) -> torch.Tensor:
        """(n, 3, h, w) to (n, width, h', w'): what is seen, and still where."""
        seen = cast("torch.Tensor", self.trunk(batch))
        return (seen + self.trunk(batch.flip(3)).flip(3)) / 2 if self.mirror else seen

    def pooled(self, features: torch.Tensor) -> torch.Tensor:
        """(n, width, h', w') to (n, width)."""
        return cast("torch.Tensor", self.neck(self.pool(features))).flatten(1)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        embedding = cast("torch.Tensor", self.head(self.pooled(self.feature_map(batch))))
        return functional.normalize(embedding) if self.normalise else embedding

    @property
    def blocks(self) -> list[nn.Module]:
        """The trunk's blocks, first to last; of several branches those of one depth together."""
        if self.branches == 1:
            return blocks_of(self.trunk)
        parted = cast("Branches", self.trunk.parted)
        depths = zip(*(cast("nn.Sequential", branch) for branch in parted.branches), strict=True)
        return [*cast("nn.Sequential", self.trunk.shared), *map(nn.ModuleList, depths)]

    def load_torchvision(self, state: dict[str, torch.Tensor]) -> None:
        """Takes over a state dict of the whole torchvision model; its classifier is left behind.

        Raises KeyError naming the first tensor that is missing, RuntimeError where shapes differ.
        """
        for part in (self.trunk, self.neck):
            part.load_state_dict({name: state[name].float() for name in part.state_dict()})


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """Folds each batch norm that directly follows a convolution in a `Sequential` into it; the function stays the same.

    For serving only, in evaluation mode: a third fewer passes over the pictures (MobileNetV2: measured 1.5 times faster).
    """
    for block in [module for module in network.modules() if isinstance(module, nn.Sequential)]:
        for (name, first), (after, second) in pairwise(list(block.named_children())):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                setattr(block, name, fuse_conv_bn_eval(first, second))
                setattr(block, after, nn.Identity())
    return network
