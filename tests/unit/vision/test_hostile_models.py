"""Files of weights, offered by whoever could lay one down: nothing in them is run, and each is refused with its name."""

from __future__ import annotations

import ast
import io
import json
import os
import pickle
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from inventory_match.domain.errors import ConfigurationError
from inventory_match.learning.checkpoint import Checkpoint
from inventory_match.learning.network import starting_encoder
from inventory_match.learning.preset import Network
from inventory_match.vision.weights import read_record

ROOT = Path(__file__).parents[3]


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.path),)


def saved(value: object, *, legacy: bool = False) -> bytes:
    out = io.BytesIO()
    torch.save(value, out, _use_new_zipfile_serialization=not legacy)
    return out.getvalue()


def tar(value: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            entry = tarfile.TarInfo(name)
            entry.size = len(value)
            archive.addfile(entry, io.BytesIO(value))
    return out.getvalue()


def safetensors(record: object) -> bytes:
    header = json.dumps({"__metadata__": {"inventory_match.encoder": record}}).encode()
    return struct.pack("<Q", len(header)) + header


TRAPS: dict[str, Callable[[Trap], bytes]] = {
    "a pickle": lambda trap: pickle.dumps(trap, protocol=2),
    "torch's archive": lambda trap: saved({"fingerprint": trap}),
    "torch's older form": lambda trap: saved({"fingerprint": trap}, legacy=True),
    "torch's oldest form": lambda trap: tar(pickle.dumps(trap, protocol=2)),
    "a trap among tensors": lambda trap: saved({"state": {"w": torch.zeros(2), "x": trap}}),
}
BROKEN: dict[str, bytes] = {
    "empty": b"",
    "noise": bytes(range(256)) * 8,
    "cut short": saved({"state": torch.zeros(100)})[:-50],
    "another thing": saved([1, 2, 3]),
    "a header that never ends": struct.pack("<Q", 2**62) + b"{}",
    "a record that is no record": safetensors("[]"),
    "a record nested without end": safetensors("[" * 100_000),
    "a record of odd types": safetensors(json.dumps({"name": 7, "preprocessing": [], "thresholds": 0})),
}
READERS: dict[str, Callable[[Path], object]] = {
    "encoder": read_record,
    "checkpoint": Checkpoint.load,
    "trunk": lambda path: starting_encoder(Network(arch="shufflenet_v2_x0_5", weights=str(path), dim=4)),
}
SUFFIX = {"encoder": ".safetensors", "checkpoint": ".checkpoint", "trunk": ".pth"}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("trap", TRAPS)
def test_nothing_in_a_file_of_weights_is_run(tmp_path: Path, reader: str, trap: str) -> None:
    sprung, file = tmp_path / "sprung", tmp_path / f"offered{SUFFIX[reader]}"
    file.write_bytes(TRAPS[trap](Trap(sprung)))
    with pytest.raises(ConfigurationError, match="offered"):
        READERS[reader](file)
    assert not sprung.exists()


def test_the_trap_is_one(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Trap(tmp_path / "sprung"), protocol=2))
    assert (tmp_path / "sprung").exists()


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("broken", BROKEN)
def test_a_file_that_is_none_is_refused_with_its_name(tmp_path: Path, reader: str, broken: str) -> None:
    file = tmp_path / f"offered{SUFFIX[reader]}"
    file.write_bytes(BROKEN[broken])
    with pytest.raises(ConfigurationError, match="offered"):
        READERS[reader](file)


def test_no_code_of_ours_loads_in_a_way_that_runs_what_it_loads() -> None:
    forbidden = {"dill", "joblib", "marshal", "shelve", "yaml", "cloudpickle"}
    for path in [path for room in ("inventory_match", "workers", "migrations") for path in (ROOT / room).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not {alias.name.partition(".")[0] for alias in node.names} & (forbidden | {"pickle"}), path
            elif isinstance(node, ast.ImportFrom):
                assert node.module not in forbidden, path
                assert node.module != "pickle" or {alias.name for alias in node.names} == {"UnpicklingError"}, path
            elif isinstance(node, ast.Call):
                told = {option.arg: ast.unparse(option.value) for option in node.keywords}
                called = ast.unparse(node.func)
                assert called != "torch.load" or told.get("weights_only") == "True", f"{path}:{node.lineno}"
                assert called not in ("eval", "exec", "torch.jit.load", "np.load", "numpy.load"), (
                    f"{path}:{node.lineno}"
                )
