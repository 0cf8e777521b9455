"""What in a crop carried its similarity to a reference: a heat map, by gradients on the trunk's last feature map.

Grad-CAM (Selvaraju et al., ICCV 2017) aimed at a similarity instead of a class, as Chen et al. (Adapting Grad-CAM for
Embedding Networks, WACV 2020) do. Gradient times activation is summed over the channels of each place, not averaged over
places first (HiResCAM, Draelos and Carin 2020): it is the same under average pooling and right under generalised mean too.

The length of the crop's own embedding is held constant, because the gradient of a cosine vanishes where both pictures are
alike, just where one wants to see why. Then the shares of all places, the head's bias spread evenly, add up to the similarity
itself under either pooling (the decomposition of Stylianou, Souvenir and Pless, WACV 2019).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inventory_match.vision.encoder import load_network
from inventory_match.vision.preprocessing import preprocess

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from inventory_match.ports import Image
    from inventory_match.vision.network import EmbeddingNetwork
    from inventory_match.vision.weights import EncoderRecord, Preprocessing


class Saliency:
    """Explains by one encoder file. Loads it anew, because the network that serves runs folded and without gradients."""

    def __init__(self, record: EncoderRecord) -> None:
        self.record = record
        self._network: EmbeddingNetwork = load_network(record)

    def shares(self, crop: Image, reference: NDArray[np.float32]) -> NDArray[np.float32]:
        """How much each place of the feature map adds to the similarity with a reference's vector, shape (h', w').

        Their mean is the similarity: the cosine, or the dot product of a Euclidean encoder.
        """
        import torch

        network = self._network
        with torch.no_grad():
            seen = network.feature_map(torch.from_numpy(preprocess([crop], self.record.preprocessing)))
        with torch.enable_grad():
            seen = seen.detach().requires_grad_()
            embedding = network.head(network.pooled(seen))[0]
            towards = torch.from_numpy(np.array(reference))
            if network.normalise:
                towards = towards / (towards.norm() * embedding.detach().norm())
            (gradient,) = torch.autograd.grad(embedding @ towards, seen)
        places = seen.shape[2] * seen.shape[3]
        shares = (gradient * seen).sum(1)[0] * places + network.head.bias.detach() @ towards
        found: NDArray[np.float32] = shares.detach().numpy()
        return found

    def heat(self, crop: Image, reference: NDArray[np.float32]) -> NDArray[np.float32]:
        """What spoke for the reference, over the crop's own pixels: shape (h, w), 0 or more, comparable between references.

        It is by how much a place's share exceeds the mean, and 0 where it does not or speaks against: the plain ground around
        a product carries some as well, by what the wide fields of the last layers see across its edge.
        """
        import torch

        shares = self.shares(crop, reference)
        above = torch.from_numpy(shares - max(float(shares.mean()), 0.0)).clamp(min=0)
        return _over_crop(above, crop, self.record.preprocessing)


def _over_crop(places: torch.Tensor, crop: Image, how: Preprocessing) -> NDArray[np.float32]:
    """The map (h', w') laid where the network looked: `preprocess` undone. What it never saw stays 0."""
    from torch.nn.functional import interpolate

    height, width = crop.shape[:2]
    left, top, right, bottom = looked_at(width, height, how)
    size = [max(1, bottom - top), max(1, right - left)]
    grown = interpolate(places[None, None], size=size, mode="bicubic", align_corners=False)[0, 0].clamp(min=0).numpy()
    heat = np.zeros((height, width), np.float32)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    heat[y0:y1, x0:x1] = grown[y0 - top : y1 - top, x0 - left : x1 - left]
    return heat


def looked_at(width: int, height: int, how: Preprocessing) -> tuple[int, int, int, int]:
    """The network's square in pixels of the crop (left, top, right, bottom); padding lies outside the crop."""
    if how.resize == "stretch":
        wide, high = float(width), float(height)
    else:
        side = float((min if how.resize == "shorter_side" else max)(width, height))
        wide = high = side
    if how.crop is not None:
        wide, high = wide * how.crop / how.size, high * how.crop / how.size
    x, y = (width - wide) / 2, (height - high) / 2
    return round(x), round(y), round(x + wide), round(y + high)
