"""The shape of a product detector: torchvision's, by name, or the small one that ships.

All of them answer one question, "is this a product, and where does it end", and none knows which product: names come from
the catalog. `compact` is FCOS (Tian et al., ICCV 2019: one prediction a place, no anchors to fit to pack shapes) on the first
four fifths of a MobileNetV2 with a feature pyramid of 64 channels: 2 million weights, small enough to ship.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import nn
from torchvision.models import detection as torchvision_detection
from torchvision.models import get_model, list_models, mobilenet_v2
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.fcos import FCOS, FCOSHead
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from inventory_match.domain.errors import ConfigurationError
from inventory_match.vision.detection.looks import COMPACT, GRID

_CHANNELS, _CONVOLUTIONS = 64, 2
_LEVELS = {"6": "0", "13": "1", "17": "2"}
"""Blocks of MobileNetV2 whose maps are kept: 1/8, 1/16 and 1/32 of the picture, of 32, 96 and 320 channels."""

_FAMILIES = ("fasterrcnn_", "retinanet_", "fcos_", "ssdlite")
PRODUCT = 2
"""Classes of torchvision's models: background and product."""


def build(arch: str, classes: int = PRODUCT) -> nn.Module:
    """A detector by name, with random weights; `classes` of torchvision's count the background.

    Raises ConfigurationError for a name that is neither `compact_fcos` nor one of torchvision's detectors.
    """
    if arch == COMPACT:
        return cast("nn.Module", compact())
    known = [name for name in list_models(module=torchvision_detection) if name.startswith(_FAMILIES)]
    if arch not in known:
        raise ConfigurationError(f"no detector is called {arch!r}; use {COMPACT} or one of: {', '.join(sorted(known))}")
    return cast("nn.Module", get_model(arch, weights=None, weights_backbone=None, num_classes=classes))


def compact(head: Callable[[int], FCOSHead] | None = None) -> FCOS:
    """The small one; pictures go in at the size they have (3, h, w), values 0..1. `head`: one that teaches otherwise."""
    trunk = mobilenet_v2(weights=None).features[:18]
    pyramid = BackboneWithFPN(
        trunk, _LEVELS, [32, 96, 320], _CHANNELS, extra_blocks=LastLevelP6P7(_CHANNELS, _CHANNELS)
    )
    made = FCOSHead(_CHANNELS, 1, 1, num_convs=_CONVOLUTIONS) if head is None else head(_CHANNELS)
    return FCOS(
        pyramid,
        1,
        head=made,
        score_thresh=0.05,
        nms_thresh=0.6,
        detections_per_img=400,
        topk_candidates=1000,
        size_divisible=GRID,
        _skip_resize=True,
    )


class Dense(nn.Module):
    """What of the compact detector is convolutions: (n, 3, h, w), normalised, sides multiples of GRID, to scores (n, places),
    square roots of objectness times centredness, and distances (n, places, 4) to left, top, right, bottom in strides."""

    def __init__(self, detector: FCOS) -> None:
        super().__init__()
        self.backbone, self.head = detector.backbone, detector.head

    def forward(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        out = self.head(list(self.backbone(batch).values()))
        scores = (out["cls_logits"].sigmoid() * out["bbox_ctrness"].sigmoid()).sqrt()
        return scores[..., 0], out["bbox_regression"]
