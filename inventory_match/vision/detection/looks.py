"""How a detector looks at a picture of the size it likes: the compact one's convolutions in ONNX Runtime, or in torch where
that is not installed, and torchvision's others in torch. All answer alike: boxes in px, and scores.

Serving with the compact detector imports no torch once its graph is kept on this host (`vision.graphs`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inventory_match.vision import runtimes
from inventory_match.vision.detection.weights import DetectorRecord, check, read_tensors

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from inventory_match.ports import Image

    Floats = NDArray[np.float32]
    Looks = Callable[[Image], tuple[Floats, Floats]]
    Dense = Callable[[Floats], tuple[Floats, Floats]]

COMPACT, GRID = "compact_fcos", 128
"""The compact detector's name, and px: pictures are padded to multiples of this, so that the places of its coarsest map lie
where their stride says."""

_STRIDES = (8, 16, 32, 64, 128)
_MEAN, _STD = np.array((0.485, 0.456, 0.406), np.float32), np.array((0.229, 0.224, 0.225), np.float32)


def looks(record: DetectorRecord, threads: int = 0, kept: Path | None = None, runtime: str = "") -> Looks:
    """What looks with the file `record` was read from, in the best runtime that is installed or in the one named.

    Raises ConfigurationError where the file changed since.
    """
    if record.arch != COMPACT:
        return _torchvision(_loaded(record), record.labels)
    dense = _onnx(record, threads, kept) if (runtime or runtimes.installed()[0]) == "onnx" else _torch(record)
    return lambda picture: _boxes(picture, dense)


def prepare(record: DetectorRecord, kept: Path | None) -> None:
    """Makes ahead what looking with `record` would take seconds for, as `vision.runtimes.prepare_encoder` does."""
    if record.arch == COMPACT and runtimes.installed()[0] == "onnx":
        graph(record, kept)


def graph(record: DetectorRecord, kept: Path | None) -> bytes:
    """The compact detector's convolutions as ONNX, from `kept` where they lie there. Starts no thread, so that a process that
    forks afterwards hands it on. Raises ConfigurationError where the file changed since its record was read."""
    from inventory_match.vision import onnx

    check(record)
    return onnx.made_once(record.sha256, lambda: _export(record), kept)


def _export(record: DetectorRecord) -> bytes:
    import torch

    from inventory_match.vision import onnx

    axes = {"picture": {2: "h", 3: "w"}}
    return onnx.written(_dense(record), torch.zeros(1, 3, 2 * GRID, 3 * GRID), ["picture"], axes)


def _onnx(record: DetectorRecord, threads: int, kept: Path | None) -> Dense:
    from inventory_match.vision import onnx

    session = onnx.running(graph(record, kept), threads)

    def run(batch: Floats) -> tuple[Floats, Floats]:
        out: Any = session.run(None, {"picture": batch})
        return out[0], out[1]

    return run


def _torch(record: DetectorRecord) -> Dense:
    import torch

    network = _dense(record)

    @torch.no_grad()
    def run(batch: Floats) -> tuple[Floats, Floats]:
        scores, reach = network(torch.from_numpy(batch))
        return scores.numpy(), reach.numpy()

    return run


def _dense(record: DetectorRecord) -> nn.Module:
    from inventory_match.vision.detection.network import Dense

    return Dense(_loaded(record)).eval()


def _loaded(record: DetectorRecord) -> Any:
    from inventory_match.vision.detection.network import build

    detector = build(record.arch, record.classes)
    detector.load_state_dict(read_tensors(record))
    return detector.eval()


def _torchvision(detector: Any, labels: tuple[int, ...]) -> Looks:
    """Any of torchvision's detectors: it resizes and suppresses for itself. `labels`: which of its classes are products."""
    import torch

    @torch.no_grad()
    def look(picture: Image) -> tuple[Floats, Floats]:
        [out] = detector([torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 255])
        meant = np.isin(out["labels"].numpy(), labels) if labels else slice(None)
        return out["boxes"].numpy()[meant], out["scores"].numpy()[meant]

    return look


def _boxes(picture: Image, dense: Dense) -> tuple[Floats, Floats]:
    """Boxes (n, 4) px and scores of an RGB uint8 picture (h, w, 3): convolutions on a padded copy, then from distances."""
    height, width = picture.shape[:2]
    padded = np.zeros((1, 3, -(-height // GRID) * GRID, -(-width // GRID) * GRID), np.float32)
    padded[0, :, :height, :width] = ((picture / np.float32(255) - _MEAN) / _STD).transpose(2, 0, 1)
    scores, reach = (out[0] for out in dense(padded))
    centres, strides = _places(padded.shape[2], padded.shape[3])
    reach = reach * strides[:, None]
    boxes = np.concatenate([centres - reach[:, :2], centres + reach[:, 2:]], axis=1)
    return np.clip(boxes, 0, [width, height, width, height]).astype(np.float32), scores


def _places(height: int, width: int) -> tuple[Floats, Floats]:
    """Where the network's places lie in a padded picture, px (n, 2), and their strides (n,), finest map first."""
    centres, strides = [], []
    for stride in _STRIDES:
        y, x = np.mgrid[0 : height // stride, 0 : width // stride].astype(np.float32) * stride
        centres.append(np.stack([x.ravel(), y.ravel()], axis=1))
        strides.append(np.full(x.size, stride, np.float32))
    return np.concatenate(centres), np.concatenate(strides)
