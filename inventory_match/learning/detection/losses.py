"""FCOS's losses, taught to forgive: a photo in which not every product has a box must not teach that the others are none.

In a photo that is not labelled to the last pack, a place without a box counts as background only while the network itself
thinks so (below `_BELIEVED`): what it begins to find there is left alone. After Zhang et al., Solving Missing-Annotation
Object Detection with Background Recalibration Loss, ICASSP 2020. Places inside a box that is marked doubtful never count.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.models.detection.fcos import FCOSHead
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

_BELIEVED = 0.25
"""Objectness from which on an unlabelled place of such a photo might be a product."""


class ForgivingHead(FCOSHead):  # type: ignore[misc] # torchvision is untyped
    """FCOS's head, for one class. Targets carry `boxes` (n, 4), `labels` (n,) of zeros, `doubtful` (m, 4) and `exhaustive`."""

    def __init__(self, channels: int, convolutions: int = 2) -> None:
        super().__init__(channels, 1, 1, num_convs=convolutions)

    def compute_loss(
        self,
        targets: list[dict[str, Tensor]],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        matched_idxs: list[Tensor],
    ) -> dict[str, Tensor]:
        """Three sums over the places that answer for a box, each divided by how many there are."""
        logits = head_outputs["cls_logits"][..., 0]
        matched, places = torch.stack(matched_idxs), torch.stack(anchors)
        found = matched >= 0
        wanted = torch.stack([_wanted(one, at) for one, at in zip(targets, matched_idxs, strict=True)])
        counts = torch.stack([_counts(*one) for one in zip(targets, anchors, logits.detach(), strict=True)])
        objectness = sigmoid_focal_loss(logits, found.float(), reduction="none") * (counts | found)
        boxes = self.box_coder.decode(head_outputs["bbox_regression"], places)
        reach = self.box_coder.encode(places, wanted)[found]
        centred = functional.binary_cross_entropy_with_logits(
            head_outputs["bbox_ctrness"][..., 0][found], _centredness(reach), reduction="sum"
        )
        overlap = generalized_box_iou_loss(boxes[found], wanted[found], reduction="sum")
        answering = found.sum().clamp(min=1)
        parts = {"classification": objectness.sum(), "bbox_regression": overlap, "bbox_ctrness": centred}
        return {name: part / answering for name, part in parts.items()}


def _wanted(target: dict[str, Tensor], matched: Tensor) -> Tensor:
    """The box each place answers for, (places, 4); any box for those that answer for none."""
    if not len(target["boxes"]):
        return torch.ones(len(matched), 4)
    return target["boxes"][matched.clamp(min=0)]


def _counts(target: dict[str, Tensor], anchors: Tensor, logits: Tensor) -> Tensor:
    """Which places may be told that they are background, (places,)."""
    x, y = ((anchors[:, :2] + anchors[:, 2:]) / 2).unbind(1)
    x0, y0, x1, y1 = target["doubtful"].t()[:, None, :]
    inside = (x[:, None] > x0) & (x[:, None] < x1) & (y[:, None] > y0) & (y[:, None] < y1)
    background: Tensor = ~inside.any(dim=1)
    return background if target["exhaustive"] else background & (logits.sigmoid() < _BELIEVED)


def _centredness(reach: Tensor) -> Tensor:
    """How near its box's middle each place is, 0..1; `reach` (n, 4) are its distances to left, top, right, bottom."""
    across, down = reach[:, [0, 2]], reach[:, [1, 3]]
    shares: Any = [sides.amin(dim=1) / sides.amax(dim=1).clamp(min=1e-6) for sides in (across, down)]
    centred: Tensor = (shares[0] * shares[1]).clamp(min=0).sqrt()
    return centred
