"""Joined encoders give both vectors end to end, run what they share once, and are files like any other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from inventory_match.cli.encoders import join as join_command
from inventory_match.domain.errors import ConfigurationError
from inventory_match.learning.losses import objective
from inventory_match.learning.network import TrainingNetwork, starting_encoder
from inventory_match.learning.preset import Network
from inventory_match.vision.assembly import assemble
from inventory_match.vision.encoder import TorchEncoder, load_network
from inventory_match.vision.joining import join
from inventory_match.vision.network import EmbeddingNetwork
from inventory_match.vision.saliency import Saliency
from inventory_match.vision.weights import EncoderRecord, read_record, read_tensors, write

SHARED = 4


def drawn(folder: Path, arch: str, seed: int, like: EmbeddingNetwork | None = None, dim: int = 8) -> EncoderRecord:
    """Random weights; the first blocks are those of `like`, and small pictures, so that it is quick."""
    made = assemble(folder / f"{arch}-{seed}-{dim}.safetensors", arch, weights=None, dim=dim, seed=seed)
    network = load_network(made)
    if like is not None:
        for block, theirs in zip(network.blocks[:SHARED], like.blocks[:SHARED], strict=True):
            block.load_state_dict(theirs.state_dict())
    small = replace(made, preprocessing=replace(made.preprocessing, size=64, crop=None), metric="euclidean")
    assert made.path is not None
    return write(made.path, small, network.state_dict())


@pytest.fixture
def members(tmp_path: Path) -> Callable[[str], list[EncoderRecord]]:
    def make(arch: str) -> list[EncoderRecord]:
        first = drawn(tmp_path, arch, 1)
        return [first, drawn(tmp_path, arch, 2, load_network(first), dim=6)]

    return make


def crops() -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [draw.integers(0, 256, (50 + 9 * number, 40, 3), dtype=np.uint8) for number in range(3)]


@pytest.mark.parametrize("arch", ["mobilenet_v2", "resnet18", "shufflenet_v2_x0_5"])
def test_the_vectors_lie_end_to_end_and_the_beginning_is_kept_once(
    tmp_path: Path, members: Callable[[str], list[EncoderRecord]], arch: str
) -> None:
    pair = members(arch)
    record = read_record(join(pair, tmp_path / "joined.safetensors").path or tmp_path)
    assert (record.dim, record.branches, record.shared) == (14, 2, SHARED)
    wanted = np.concatenate([TorchEncoder(one).embed(crops()) for one in pair], axis=1)
    assert TorchEncoder(record).embed(crops()) == pytest.approx(wanted, rel=1e-3, abs=1e-3)
    kept = [read_tensors(one) for one in (record, *pair)]
    sizes = [sum(t.numel() for name, t in tensors.items() if name.startswith("trunk")) for tensors in kept]
    assert sizes[0] < sizes[1] + sizes[2]
    assert len(load_network(record).blocks) == len(load_network(pair[0]).blocks)


def test_onnx_gives_the_same_vectors_and_a_heat_map_adds_up(
    tmp_path: Path, members: Callable[[str], list[EncoderRecord]]
) -> None:
    from inventory_match.vision.onnx import OnnxEncoder

    made = [
        write(one.path or tmp_path, replace(one, metric="cosine"), read_tensors(one)) for one in members("resnet18")
    ]
    record = join(made, tmp_path / "joined.safetensors")
    vectors = TorchEncoder(record).embed(crops())
    assert OnnxEncoder(record, threads=1).embed(crops()) == pytest.approx(vectors, abs=1e-4)
    assert Saliency(record).shares(crops()[0], vectors[1]).mean() == pytest.approx(vectors[0] @ vectors[1], abs=1e-4)


def test_training_goes_on_from_a_joined_encoder(tmp_path: Path, members: Callable[[str], list[EncoderRecord]]) -> None:
    path = join(members("resnet18"), tmp_path / "joined.safetensors").path
    encoder = starting_encoder(Network(arch="resnet18", weights=str(path)))
    assert encoder.head.out_features == 14, "as the file has, where nothing else is asked for"
    loss = objective({"triplet": 1.0}, dim=14, classes=2, scale=16, margin=0.1, smoothing=0, temperature=0.1)
    learner = TrainingNetwork(encoder, loss, dropout=0.0, mode=f"from:{SHARED}").train()
    learner(torch.rand(2, 3, 64, 64)).square().sum().backward()
    moved = {name for name, value in learner.encoder.trunk.named_parameters() if value.grad is not None}
    assert {name.split(".")[0] for name in moved} == {"parted"}
    assert {name.split(".")[2] for name in moved} == {"0", "1"}


def test_what_cannot_stand_side_by_side_is_refused(
    tmp_path: Path, members: Callable[[str], list[EncoderRecord]]
) -> None:
    pair, out = members("resnet18"), tmp_path / "joined.safetensors"
    other = drawn(tmp_path, "shufflenet_v2_x0_5", 1)
    with pytest.raises(ConfigurationError, match=r"arch of .* is resnet18, of .* shufflenet_v2_x0_5; they must be"):
        join([pair[0], other], out)
    with pytest.raises(ConfigurationError, match="one encoder alone"):
        join(pair[:1], out)
    joined = join(pair, out)
    with pytest.raises(ConfigurationError, match="is joined already"):
        join([pair[0], joined], tmp_path / "twice.safetensors")
    told = CliRunner().invoke(join_command, [str(pair[0].path), str(other.path), "--out", str(tmp_path / "x")])
    assert told.exit_code != 0
    assert "they must be the same" in told.output
    assert not (tmp_path / "x").exists()
