"""Detector files of torchvision's models: from a file of weights to boxes, and what is refused with a cure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from inventory_match.cli import main
from inventory_match.vision.detection.finder import FileFinder
from inventory_match.vision.detection.looks import looks
from inventory_match.vision.detection.network import build
from inventory_match.vision.detection.weights import DetectorRecord, read_record, read_tensors, write

if TYPE_CHECKING:
    from pathlib import Path

ARCH = "ssdlite320_mobilenet_v3_large"


@pytest.fixture(scope="module")
def tensors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(2)
    path = tmp_path_factory.mktemp("weights") / "mine.pth"
    torch.save(build(ARCH, 3).state_dict(), path)
    return path


def run(*argv: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["detectors", *argv])
    return result.exit_code, result.output


def test_a_file_of_weights_becomes_a_detector_that_finds(tensors: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.safetensors"
    code, said = run("assemble", ARCH, "--weights", str(tensors), "--classes", "3", "--out", str(out))
    assert code == 0, said
    assert f"INVENTORY_MATCH_DETECTOR_FILE={out}" in said
    code, said = run("show", str(out))
    assert (code, ARCH in said) == (0, True)

    record = read_record(out)
    photo = np.random.default_rng(1).integers(0, 256, (120, 160, 3)).astype(np.uint8)
    boxes, scores = looks(record)(photo)
    assert boxes.shape == (len(scores), 4)
    assert len(scores) > 0, "random weights find something everywhere"
    assert len(FileFinder(record)(photo)) == 0, "but nothing that could be meant"


def test_only_the_classes_that_are_products_are_said(tensors: Path, tmp_path: Path) -> None:
    out = tmp_path / "all.safetensors"
    run("assemble", ARCH, "--weights", str(tensors), "--classes", "3", "--out", str(out))
    every = read_record(out)
    about = DetectorRecord("one", ARCH, 320, 0.0, 0.5, "none", "random", 3, (1,))
    one = write(tmp_path / "one.safetensors", about, read_tensors(every))
    photo = np.random.default_rng(1).integers(0, 256, (120, 160, 3)).astype(np.uint8)
    assert 0 < len(looks(one)(photo)[0]) < len(looks(every)(photo)[0])


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("yolo",), "no detector is called 'yolo'; use compact_fcos or one of: fasterrcnn_mobilenet"),
        ((ARCH, "--weights", "{tensors}"), "these are not weights of ssdlite320_mobilenet_v3_large for 2 classes"),
        ((ARCH, "--weights", "nowhere.pth"), "No such file"),
        ((ARCH, "--weights", "{tensors}", "--product", "bottle"), "a file has classes of its own"),
    ],
    ids=["name", "classes", "missing", "products of a file"],
)
def test_what_cannot_be_made_is_told_with_its_cure(
    tensors: Path, tmp_path: Path, argv: tuple[str, ...], told: str
) -> None:
    out = tmp_path / "never.safetensors"
    code, said = run("assemble", *(one.format(tensors=tensors) for one in argv), "--out", str(out))
    assert code != 0
    assert told in said
    assert not out.exists()
