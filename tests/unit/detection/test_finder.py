"""The finder: the compact detector's boxes are those torchvision makes of the same weights, in photos of any size."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from inventory_match.domain.errors import ConfigurationError
from inventory_match.vision.detection import weights
from inventory_match.vision.detection.finder import FileFinder, distinct
from inventory_match.vision.detection.looks import looks
from inventory_match.vision.detection.network import build, compact
from inventory_match.vision.detection.weights import DetectorRecord, read_record

if TYPE_CHECKING:
    from pathlib import Path

    from torchvision.models.detection.fcos import FCOS


@cache
def random_detector() -> FCOS:
    torch.manual_seed(4)
    detector = compact().eval()
    for name, value in detector.state_dict().items():  # what a file would keep of it
        if value.is_floating_point() and "running_" not in name:
            value.copy_(value.half().float())
    torch.nn.init.constant_(detector.head.classification_head.cls_logits.bias, 0.0)
    return detector


@pytest.fixture
def record(tmp_path: Path) -> DetectorRecord:
    about = DetectorRecord("test", "compact_fcos", 256, 0.3, 0.5, "none", "random")
    return weights.write(tmp_path / "detector.safetensors", about, random_detector().state_dict())


def picture(width: int, height: int) -> np.ndarray:
    cells = np.random.default_rng(8).integers(0, 256, (height // 16 + 1, width // 16 + 1, 3)).astype(np.uint8)
    return cells.repeat(16, axis=0).repeat(16, axis=1)[:height, :width]


@pytest.mark.parametrize("size", [(256, 192), (144, 256)], ids=["across", "upright"])
def test_boxes_are_torchvisions(record: DetectorRecord, size: tuple[int, int]) -> None:
    width, height = size
    photo = picture(width, height)
    detector = random_detector()
    detector.score_thresh, detector.nms_thresh = record.least_score, record.same_box
    detector.detections_per_img = detector.topk_candidates = 100_000
    detector.transform.min_size, detector.transform.max_size = (min(size),), max(size)
    with torch.no_grad():
        [expected] = detector([torch.from_numpy(photo.copy()).permute(2, 0, 1).float() / 255])
    found = FileFinder(record)(photo)
    assert len(found) >= 5
    sides = expected["boxes"][:, 2:] - expected["boxes"][:, :2]
    whole = (sides > 1).all(dim=1).nonzero()[:, 0]  # torchvision keeps what clipping to the photo left nothing of
    best = whole[expected["scores"][whole].argsort(descending=True)][:5]
    for one, number in zip(found[:5], best, strict=True):
        box = np.array([one.box.x0 * width, one.box.y0 * height, one.box.x1 * width, one.box.y1 * height])
        assert one.score == pytest.approx(float(expected["scores"][number]), abs=2e-3)
        assert np.abs(box - expected["boxes"][number].numpy()).max() < 1


def test_both_runtimes_see_the_same(record: DetectorRecord) -> None:
    photo = picture(200, 150)
    (boxes, scores), (others, other_scores) = (looks(record, runtime=name)(photo) for name in ("onnx", "torch"))
    assert np.abs(boxes - others).max() < 0.05
    assert np.abs(scores - other_scores).max() < 1e-3


def test_a_file_that_changed_is_refused(record: DetectorRecord) -> None:
    assert record.path is not None
    record.path.write_bytes(record.path.read_bytes() + b" ")
    with pytest.raises(ConfigurationError, match="changed while in use"):
        FileFinder(record)(picture(64, 64))


def test_a_record_goes_to_its_file_and_back(record: DetectorRecord) -> None:
    assert record.path is not None
    assert read_record(record.path, record.sha256) == record
    with pytest.raises(ConfigurationError, match="expected 00"):
        read_record(record.path, "00")


def test_an_unknown_architecture_is_told_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"compact_fcos or one of.*fcos_resnet50_fpn"):
        build("yolo")


def test_of_a_pack_its_label_and_its_neighbours_each_pack_is_kept_once() -> None:
    pack, again, neighbour = [10, 10, 50, 110], [12, 8, 51, 112], [46, 10, 90, 110]
    label, both = [18, 50, 42, 90], [8, 8, 92, 112]
    halves = [30, 10, 68, 110]
    boxes = np.array([label, pack, both, neighbour, again, halves], np.float32)
    scores = np.array([0.6, 0.9, 0.5, 0.8, 0.7, 0.4], np.float32)
    assert distinct(boxes, scores, 0.55).tolist() == [1, 3]
    assert distinct(boxes[[0, 2]], scores[[0, 2]], 0.55).tolist() == [0], "the better of the two, whichever it is"
    assert distinct(boxes[:0], scores[:0], 0.55).tolist() == []
