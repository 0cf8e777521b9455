"""The runtimes beside each other: the same file, the same rendered crops of several sizes, the same vectors.

Weights are random, which proves that the graph is the same, not that the encoder is any good.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from inventory_match.domain.errors import ConfigurationError
from inventory_match.rendering.designs import product
from inventory_match.rendering.studio import studio_view
from inventory_match.vision.assembly import assemble
from inventory_match.vision.encoder import TorchEncoder
from inventory_match.vision.onnx import OnnxEncoder
from inventory_match.vision.runtimes import installed, load_encoder
from inventory_match.vision.weights import EncoderRecord, Pool, read_tensors, shipped_default, write

if TYPE_CHECKING:
    from inventory_match.ports import Image


@pytest.fixture(scope="module")
def crops() -> list[Image]:
    """Packs as cameras see them, 60 to 300 px high, one of them a view of a larger photo."""
    draw = np.random.default_rng(4)
    views = [
        np.asarray(studio_view(product(7, number), draw, plain=False, height=height))
        for number, height in enumerate((60, 110, 150, 220, 300))
    ]
    views[4] = views[4][20:-20, 10:-10]
    return views


def alike(record: EncoderRecord, crops: list[Image], batch: int = 2) -> float:
    """Least cosine between torch's vector of a crop and ONNX Runtime's, in odd batches."""
    one = TorchEncoder(record, threads=1).embed(crops)
    other = OnnxEncoder(record, threads=1, batch=batch).embed(crops)
    assert one.dtype == other.dtype == np.float32
    assert one.shape == other.shape == (len(crops), record.dim)
    lengths = np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1)
    assert lengths[1] == pytest.approx(lengths[0], rel=1e-3)
    return float(((one * other).sum(1) / lengths[0] / lengths[1]).min())


def shrunk(record: EncoderRecord, size: int, **changes: object) -> EncoderRecord:
    """The same network looking at smaller squares, so that the test is quick."""
    assert record.path is not None
    small = replace(record, preprocessing=replace(record.preprocessing, size=size, crop=None, resize="stretch"))
    return write(record.path, replace(small, **changes), read_tensors(record))  # type: ignore[arg-type] # any field


def test_the_shipped_encoder_gives_the_same_vectors(crops: list[Image]) -> None:
    record = shipped_default()
    assert alike(record, crops) >= 0.9995
    assert alike(record, crops[:1]) >= 0.9995


@pytest.mark.parametrize(("arch", "size"), [("resnet18", 96), ("vgg11", 64), ("inception_v3", 96)])
def test_any_trunk_gives_the_same_vectors(tmp_path: Path, crops: list[Image], arch: str, size: int) -> None:
    made = assemble(tmp_path / "e.safetensors", arch, weights=None, dim=64)
    assert alike(shrunk(made, size), crops[:3]) >= 0.9995


@pytest.mark.parametrize(
    ("pool", "metric", "mirror"),
    [
        ("gem", "cosine", False),
        ("gem", "euclidean", True),
        ("average", "euclidean", False),
        ("average", "cosine", True),
    ],
)
def test_pooling_metric_and_mirror_are_the_files(
    tmp_path: Path, crops: list[Image], pool: Pool, metric: str, mirror: bool
) -> None:
    made = assemble(tmp_path / "e.safetensors", "mobilenet_v3_small", weights=None, dim=32)
    tensors = read_tensors(made) | ({"pool.p": torch.tensor(2.5)} if pool == "gem" else {})
    small = replace(made.preprocessing, size=96)
    shape = replace(made, preprocessing=small, pool=pool, metric=metric, mirror=mirror)  # type: ignore[arg-type] # from the table above
    record = write(tmp_path / "f.safetensors", shape, tensors)
    assert alike(record, crops) >= 0.9995
    if metric == "euclidean":
        assert abs(np.linalg.norm(OnnxEncoder(record, threads=1).embed(crops)[0]) - 1) > 1e-3


def test_threads_that_come_first_together_load_once(crops: list[Image]) -> None:
    encoder = OnnxEncoder(shipped_default(), threads=1)
    found: list[tuple[object, bytes]] = []

    def embed() -> None:
        vectors = encoder.embed(crops[:1])
        found.append((encoder._network, vectors.tobytes()))

    threads = [threading.Thread(target=embed) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


def test_the_fastest_installed_is_taken_and_a_missing_one_named(monkeypatch: pytest.MonkeyPatch) -> None:
    record = shipped_default()
    assert installed() == ("onnx", "torch")
    assert isinstance(load_encoder(record), OnnxEncoder)
    assert isinstance(load_encoder(record, "torch"), TorchEncoder)
    # An entry of None is how Python itself marks a module that must not be imported.
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert installed() == ("torch",)
    assert isinstance(load_encoder(record), TorchEncoder)
    with pytest.raises(ConfigurationError, match=r"onnxruntime cannot be imported; `pip install onnxruntime`"):
        load_encoder(record, "onnx")


def test_a_file_replaced_behind_the_encoders_back_is_noticed(tmp_path: Path, crops: list[Image]) -> None:
    path = tmp_path / "e.safetensors"
    record = assemble(path, "mobilenet_v3_small", weights=None, dim=32)
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ConfigurationError, match="changed while in use"):
        OnnxEncoder(record).embed(crops)
