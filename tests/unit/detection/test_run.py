"""`train detector` from its command to a file that finds: two steps on four small photos."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from inventory_match.cli import main
from inventory_match.vision.detection.finder import FileFinder
from inventory_match.vision.detection.weights import read_record

if TYPE_CHECKING:
    from pathlib import Path

PRESET = """
task = "detector"

[about]
name = "tiny"

[network]
side = 128
least_score = 0.0

[[photos]]
boxes = "boxes.csv"
images = "."
share = 1.0
keep_every = 3

[course]
steps = 2
batch = 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = ["image,sku,x0,y0,x1,y1"]
    for number in range(8):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3)).astype(np.uint8)
        Image.fromarray(pixels).resize((96, 96), Image.Resampling.BICUBIC).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,x,10,10,60,80")
    (tmp_path / "boxes.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "tiny.toml").write_text(PRESET)
    return tmp_path


def run(folder: Path, *more: str) -> tuple[int, str]:
    preset, out = str(folder / "tiny.toml"), str(folder / "tiny.safetensors")
    result = CliRunner().invoke(main, ["train", preset, "--out", out, "--data", str(folder), "--workers", "0", *more])
    return result.exit_code, result.output


def test_the_command_ends_with_a_file_that_finds(folder: Path) -> None:
    code, said = run(folder)
    assert code == 0, said
    record = read_record(folder / "tiny.safetensors")
    assert (record.name, record.side) == ("tiny", 128)
    assert record.sha256 in said
    with Image.open(folder / "0.png") as picture:
        assert FileFinder(record)(np.asarray(picture))
    kept = (folder / "tiny.run" / "kept.txt").read_text().split()
    assert 0 < len(kept) < 8

    code, said = run(folder)
    assert (code, "--resume" in said) == (1, True), "a run that is there is not overwritten"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--set", "photos.0.boxes=none.csv"), "none.csv: is nowhere to be found"),
        (("--set", "photos.0.share=0.5"), "must add up to 1, not 0.5"),
        (("--set", "network.arch=fcos_resnet50_fpn"), "only compact_fcos is taught here"),
        (("--epochs", "3"), "is for encoders"),
        (("--weights", "boxes.csv"), "these are not weights of compact_fcos"),
    ],
)
def test_what_is_wrong_is_told(folder: Path, options: tuple[str, ...], told: str) -> None:
    code, said = run(folder, *options)
    assert code != 0
    assert told in " ".join(said.split())
