"""Every mode of training, and training with unlabelled photos besides, learns rendered packs through the pipeline.

From the shipped encoder's trunk with a new head. What each must beat is the same run at a rate of next to
nothing: where it started, for only batch norms' statistics move then.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from rich.progress import Progress
from torch import nn

from inventory_match.learning.preset_file import read_preset
from inventory_match.learning.record import VALIDATION
from inventory_match.learning.sources import read_sources
from inventory_match.learning.train import Plan, train
from inventory_match.vision.encoder import load_network
from inventory_match.vision.network import EmbeddingNetwork
from inventory_match.vision.weights import shipped_default

PRESET = """
batch = 12
averaging = 0.0
[network]
arch = "mobilenet_v2"
weights = "trunk.pth"
dim = 16
dropout = 0.0
size = 64
[optimizer]
rate = 1e-3
warmup = 0
[[stage]]
epochs = 2
size = 64
[[source]]
csv = "views.csv"
repeat = 3
hold_out = 0.35
"""
NOT_AT_ALL = 1e-12
MODES = {
    "head": ["network.mode=head"],
    "norms": ["network.mode=norms"],
    "last": ["network.mode=last:2"],
    "full": ["network.mode=full"],
    "with-unlabelled": ["network.mode=head", "source.0.per_class=3"],
}


@pytest.fixture(scope="module")
def beginning(packs: Path) -> Path:
    """A preset beside the packs, and the shipped trunk (the first, of several) as torchvision would name it."""
    record = shipped_default()
    plain = EmbeddingNetwork(record.arch, record.dim, normalise=True)
    for block, shipped in zip(plain.blocks, load_network(record).blocks, strict=True):
        block.load_state_dict((shipped[0] if isinstance(shipped, nn.ModuleList) else shipped).state_dict())
    torch.save(plain.trunk.state_dict(), packs.parent / "trunk.pth")
    (packs.parent / "few.toml").write_text(PRESET)
    return packs.parent / "few.toml"


def learned(preset: Path, out: Path, changes: list[str], *, unlabelled: bool = False) -> tuple[list[float], float]:
    """The loss of each epoch, and the share of held-out photos that lay nearest to their product's prototype at the end."""
    weights = f"network.weights={preset.parent / 'trunk.pth'}"
    values = {"unlabelled.folder": str(preset.parent)} if unlabelled else {}
    asked = read_preset(preset, [weights, *changes], values)
    plan = Plan(out / "e.safetensors", out / "run", torch.device("cpu"), workers=0)
    train(asked, read_sources(asked, [preset.parent]), plan, Progress(disable=True))
    epochs = json.loads((out / "run" / "run.json").read_text())["epochs"]
    return [epoch["loss"] for epoch in epochs], epochs[-1][f"{VALIDATION}views.csv, held out"]


@pytest.fixture(scope="module")
def start(beginning: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    changes = ["network.mode=head", f"optimizer.rate={NOT_AT_ALL}", "stage.0.epochs=1"]
    return learned(beginning, tmp_path_factory.mktemp("start"), changes)[1]


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_learns(beginning: Path, start: float, tmp_path: Path, mode: str) -> None:
    losses, right = learned(beginning, tmp_path, MODES[mode], unlabelled=mode == "with-unlabelled")
    assert losses[-1] < 0.8 * losses[0]
    assert right > start + 0.15
