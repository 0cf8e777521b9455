"""Training from preset to encoder file: a tiny network, and pictures drawn here."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

from inventory_match.cli.train import train
from inventory_match.domain.errors import ConfigurationError, InvalidInput
from inventory_match.learning.augment import ToFloats, plain_view, training_view
from inventory_match.learning.data import Epoch, PhotosInMemory, load
from inventory_match.learning.export import record_of
from inventory_match.learning.labelled import read_labelled
from inventory_match.learning.network import freeze, starting_encoder
from inventory_match.learning.preset import Network, Preset
from inventory_match.learning.preset_file import preset_path, read_preset, shipped_presets, stretched
from inventory_match.learning.run import TrainingRun
from inventory_match.learning.sources import epoch_plan, read_sources
from inventory_match.vision.encoder import TorchEncoder, preprocess
from inventory_match.vision.network import EmbeddingNetwork
from inventory_match.vision.weights import read_record

ARCH = "shufflenet_v2_x0_5"
COLOURS = {"cherry": (200, 30, 40), "leaf": (40, 170, 50), "sea": (30, 60, 190)}
PRESET = f"""
batch = 8
averaging = 0.9
[network]
arch = "{ARCH}"
weights = ""
dim = 16
size = 32
[[stage]]
epochs = 2
size = 32
[[stage]]
epochs = 1
size = 48
[[source]]
csv = "photos.csv"
hold_out = 0.2
"""


def write_photos(folder: Path, each: int, skus: Sequence[str] = tuple(COLOURS)) -> Path:
    """A CSV of `each` pictures a sku: its colour with a random mark."""
    draw = np.random.default_rng(3)
    table = folder / "photos.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("image", "sku"))
        for sku in skus:
            for number in range(each):
                image = Image.new("RGB", (48, 40), COLOURS[sku])
                x, y = (int(v) for v in draw.integers(0, 30, 2))
                image.paste((250, 250, 250), (x, y, x + 8, y + 8))
                image.save(folder / f"{sku}-{number}.png")
                rows.writerow((f"{sku}-{number}.png", sku))
    return table


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    """A small preset beside its photos: 3 products, 12 of each."""
    write_photos(tmp_path, 12)
    (tmp_path / "small.toml").write_text(PRESET)
    return tmp_path / "small.toml"


def arguments(preset: Path, out: str, *more: str) -> list[str]:
    folder = preset.parent
    return [str(preset), "--data", str(folder), "--out", str(folder / out), "--threads", "1", "--device", "cpu", *more]


def run(preset: Path, out: str, *more: str) -> Result:
    return CliRunner().invoke(train, arguments(preset, out, *more))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_run_killed_in_the_middle_goes_on_to_the_same_file(preset: Path) -> None:
    """kill -9 after the first checkpoint; what it ends with is bit by bit the file of a run nobody disturbed."""
    command = [sys.executable, "-m", "inventory_match", "train", *arguments(preset, "killed.safetensors")]
    folder = preset.parent
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 150
        while not (folder / "killed.run" / "checkpoint.pt").exists():
            assert process.poll() is None, "it ended without a checkpoint"
            assert time.monotonic() < until
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    done = json.loads((folder / "killed.run" / "run.json").read_text())
    assert "finished" not in done
    assert run(preset, "killed.safetensors").exit_code == 1, "an unfinished run is not thrown away unasked"
    resumed = run(preset, "killed.safetensors", "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert "going on after epoch" in resumed.output
    assert run(preset, "whole.safetensors").exit_code == 0
    assert digest(folder / "killed.safetensors") == digest(folder / "whole.safetensors")
    refused = run(preset, "killed.safetensors", "--resume", "--seed", "8")
    assert refused.exit_code == 1
    assert "other settings or photos" in refused.output


def test_a_run_writes_an_encoder_and_says_how_it_went(preset: Path) -> None:
    folder = preset.parent
    done = run(preset, "tiny.safetensors", "--name", "tiny", "--set", "about.licence=none")
    assert done.exit_code == 0, done.output
    assert "epoch 3/3 at 48 px: loss" in done.output
    record = read_record(folder / "tiny.safetensors")
    assert (record.name, record.dim, record.licence) == ("tiny", 16, "none")
    assert TorchEncoder(record).embed([np.zeros((30, 20, 3), np.uint8)]).shape == (1, 16)
    said = json.loads((folder / "tiny.run" / "run.json").read_text())
    assert said["finished"]
    assert said["seed"] == 7
    assert said["versions"]["torch"] == torch.__version__
    assert said["parameters"]["moved"] == said["parameters"]["of"] > 1000
    assert said["data"][str(folder / "sea-3.png")] == digest(folder / "sea-3.png")
    assert [epoch["size"] for epoch in said["epochs"]] == [32, 32, 48]
    assert 0 <= said["figures"]["photos.csv, held out"] <= 1
    assert Image.open(folder / "tiny.run" / "curves.png").size[0] > 500
    assert list((folder / "tiny.run" / "tensorboard").iterdir())
    again = run(preset, "again.safetensors", "--name", "tiny", "--set", "about.licence=none", "--workers", "0")
    assert again.exit_code == 0, again.output
    assert digest(folder / "again.safetensors") == digest(folder / "tiny.safetensors"), "the same seed, other workers"
    onward = run(preset, "onward.safetensors", "--weights", str(folder / "tiny.safetensors"), "--epochs", "1")
    assert onward.exit_code == 0, onward.output
