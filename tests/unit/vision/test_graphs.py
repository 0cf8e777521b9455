"""Graphs kept on disk: what is served from them, and what becomes of damaged, foreign and unwritable ones."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from inventory_match.domain.errors import ConfigurationError
from inventory_match.vision import graphs
from inventory_match.vision.assembly import assemble
from inventory_match.vision.encoder import TorchEncoder
from inventory_match.vision.onnx import OnnxEncoder, graph
from inventory_match.vision.weights import EncoderRecord, read_tensors, write

SHA256 = "ab" * 32
CROP = np.random.default_rng(0).integers(0, 256, (3, 2, 3), np.uint8).repeat(20, 0).repeat(20, 1)

WITHOUT_TORCH = """
import sys
from pathlib import Path
sys.modules |= dict.fromkeys(("torch", "torchvision"))  # None: must not be imported
import numpy as np
import inventory_match_workers.tasks
from inventory_match.vision.runtimes import load_encoder, prepare_encoder
from inventory_match.vision.weights import read_record
record, kept = read_record(Path(sys.argv[1])), Path(sys.argv[2])
prepare_encoder(record, "onnx", kept)
crop = np.load(sys.argv[3])
np.save(sys.argv[4], load_encoder(record, "onnx", threads=1, kept=kept).embed([crop]))
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> EncoderRecord:
    path = tmp_path_factory.mktemp("encoder") / "e.safetensors"
    made = assemble(path, "mobilenet_v3_small", weights=None, dim=16)
    return write(path, replace(made, preprocessing=replace(made.preprocessing, size=64, crop=None)), read_tensors(made))


@pytest.fixture
def renamed(tiny: EncoderRecord, tmp_path: Path) -> EncoderRecord:
    """The same network in a file of another content, so that this process has no graph of it in memory."""
    return write(tmp_path / "f.safetensors", replace(tiny, name=str(tmp_path)), read_tensors(tiny))


def test_a_worker_that_finds_a_graph_needs_no_torch(tiny: EncoderRecord, tmp_path: Path) -> None:
    kept, crop, vectors = tmp_path / "kept", tmp_path / "crop.npy", tmp_path / "vectors.npy"
    here = OnnxEncoder(tiny, threads=1, kept=kept).embed([CROP])
    np.save(crop, CROP)
    argv = [sys.executable, "-c", WITHOUT_TORCH, *map(str, (tiny.path, kept, crop, vectors))]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.load(vectors), here)
    assert here == pytest.approx(TorchEncoder(tiny, threads=1).embed([CROP]), abs=1e-4)


def test_a_damaged_graph_is_noticed_and_made_anew(renamed: EncoderRecord, tmp_path: Path) -> None:
    graphs.keep(tmp_path, renamed.sha256, b"a graph of old")
    [path] = tmp_path.glob("*.graph")
    path.write_bytes(path.read_bytes()[:-1])
    with capture_logs() as said:
        made = graph(renamed, tmp_path)
    assert [line["event"] for line in said] == ["a kept graph is damaged and made anew"]
    assert len(made) > 1_000_000
    assert graphs.find(tmp_path, renamed.sha256) == made
    assert list(tmp_path.glob("*.part")) == []


def test_a_kept_graph_does_not_hide_that_the_encoder_file_changed(renamed: EncoderRecord, tmp_path: Path) -> None:
    graphs.keep(tmp_path, renamed.sha256, b"a graph")
    assert renamed.path is not None
    renamed.path.write_bytes(renamed.path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ConfigurationError, match="changed while in use"):
        graph(renamed, tmp_path)


def test_a_graph_that_others_may_write_is_not_believed(tmp_path: Path) -> None:
    graphs.keep(tmp_path, SHA256, b"a graph")
    [path] = tmp_path.glob("*.graph")
    assert graphs.find(tmp_path, SHA256) == b"a graph"
    path.chmod(0o646)
    assert graphs.find(tmp_path, SHA256) is None


def test_a_folder_that_cannot_be_used_costs_a_warning(tmp_path: Path) -> None:
    folder = tmp_path / "a file"
    folder.write_bytes(b"")
    with capture_logs() as said:
        assert graphs.find(folder, SHA256) is None
        graphs.keep(folder, SHA256, b"a graph")
    assert [(line["log_level"], line["cause"]) for line in said] == [
        ("warning", "Not a directory"),
        ("warning", "File exists"),
    ]


@pytest.mark.parametrize("library", ["torch", "torchvision", "onnx"])
def test_another_version_of_what_writes_graphs_makes_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    graphs.keep(tmp_path, SHA256, b"a graph")
    here = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "99" if name == library else here(name))
    assert graphs.find(tmp_path, SHA256) is None


def test_graphs_of_other_versions_do_not_pile_up(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"{SHA256}.{number}.graph").write_bytes(b"old")
    other = tmp_path / f"{'cd' * 32}.0.graph"
    other.write_bytes(b"of another encoder")
    graphs.keep(tmp_path, SHA256, b"a graph")
    assert graphs.find(tmp_path, SHA256) == b"a graph"
    assert len(list(tmp_path.glob(f"{SHA256}.*"))) == 4
    assert other.exists()


def test_those_who_read_while_others_write_see_whole_graphs(tmp_path: Path) -> None:
    whole = [bytes([number]) * 200_000 for number in (1, 2)]
    graphs.keep(tmp_path, SHA256, whole[0])
    ends, seen = threading.Event(), set[bytes | None]()

    def write_on(graph: bytes) -> None:
        while not ends.is_set():
            graphs.keep(tmp_path, SHA256, graph)

    writers = [threading.Thread(target=write_on, args=(graph,)) for graph in whole]
    for writer in writers:
        writer.start()
    with capture_logs() as said:
        for _ in range(50):
            seen.add(graphs.find(tmp_path, SHA256))
    ends.set()
    for writer in writers:
        writer.join()
    assert seen <= set(whole)
    assert said == []
