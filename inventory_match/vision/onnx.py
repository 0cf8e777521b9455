"""An encoder file run by ONNX Runtime: torch builds the network and hands its graph over once, at the first crop.

The graph is made from the encoder file, which takes a second or two and torch; its convolutions are then about twice as fast
as torch's on processors with AVX2. A copy is kept on this host (`graphs`), so that the next process starts without torch.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, cast

import numpy as np

from inventory_match.domain.errors import ConfigurationError
from inventory_match.vision import graphs
from inventory_match.vision.encoder import FileEncoder, load_network
from inventory_match.vision.weights import read_file

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession
    from torch import Tensor
    from torch.nn import Module

    from inventory_match.ports import Embeddings
    from inventory_match.vision.encoder import Network
    from inventory_match.vision.weights import EncoderRecord

_OPSET = 17
"""Of ONNX: the newest one torch's tracing exporter writes without converting."""


_MOST_GRAPHS = 3
_graphs: dict[str, bytes] = {}
"""By sha256: a detector's and an encoder's, or two encoders' while they are being switched."""


class OnnxEncoder(FileEncoder):
    """32-bit floats throughout, hence torch's vectors; batches of any length. `kept` is the folder of graphs, if any."""

    runtime = "onnx"

    def __init__(self, record: EncoderRecord, *, batch: int = 8, threads: int = 0, kept: Path | None = None) -> None:
        super().__init__(record, batch=batch, threads=threads)
        self._kept = kept

    def _load(self) -> Network:
        session = running(graph(self.record, self._kept), self._threads)

        def run(batch: NDArray[np.float32]) -> Embeddings:
            return cast("Embeddings", session.run(None, {"crops": np.ascontiguousarray(batch)})[0])

        return run


def running(made: bytes, threads: int) -> InferenceSession:
    """A graph ready to be run, on so many cores (0: those this process may use)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Said outright: left to itself it also binds threads to cores, which a container may forbid.
    options.intra_op_num_threads = threads or _cores()
    # Waiting threads sleep: a worker has neighbours on the same cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(made, options, providers=["CPUExecutionProvider"])


def _cores() -> int:
    """Those this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def graph(record: EncoderRecord, kept: Path | None = None) -> bytes:
    """What `export` writes: in this process once for each encoder, on this host once where there is a folder to keep it.

    Raises ConfigurationError where the file changed since its record was read, whatever is kept, and as `export` does.
    """
    if record.sha256 not in _graphs:
        read_file(record)
    return made_once(record.sha256, lambda: export(record), kept)


def made_once(sha256: str, make: Callable[[], bytes], kept: Path | None) -> bytes:
    """The graph of the file with that sha256: from this process, from the folder `kept`, or made and laid there."""
    if sha256 not in _graphs:
        made = None if kept is None else graphs.find(kept, sha256)
        if made is None:
            made = _with_one_thread(make)
            if kept is not None:
                graphs.keep(kept, sha256, made)
        while len(_graphs) >= _MOST_GRAPHS:
            _graphs.pop(next(iter(_graphs)))  # the oldest
        _graphs[sha256] = made
    return _graphs[sha256]


def _with_one_thread(make: Callable[[], bytes]) -> bytes:
    """Torch's threads would not survive a fork."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return make()
    finally:
        torch.set_num_threads(threads)


def export(record: EncoderRecord) -> bytes:
    """The encoder's network as an ONNX model: `crops` (n, 3, side, side) to vectors (n, dim), for any n.

    Raises ConfigurationError for a network that ONNX cannot express.
    """
    import torch

    side = record.preprocessing.crop or record.preprocessing.size
    crops = torch.zeros(2, 3, side, side)
    try:
        return written(load_network(record), crops, ["crops"], {"crops": {0: "n"}})
    except RuntimeError as error:
        raise ConfigurationError(
            f"{record.path}: {record.arch} has no ONNX form ({error}); set INVENTORY_MATCH_ENCODER_RUNTIME=torch"
        ) from error


def written(network: Module, example: Tensor, inputs: list[str], axes: dict[str, dict[int, str]]) -> bytes:
    """A network as ONNX, `axes` being those of any length. Raises RuntimeError for one that ONNX cannot express.

    Torch's newer exporter needs 20 seconds of processor time for a MobileNetV2 where this one needs one, which is why
    its deprecation is borne with.
    """
    import torch

    with TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        path = Path(folder) / "network.onnx"
        # Besides the deprecation: shapes that are asked about while tracing (group norm's check) go into no graph.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                network, (example,), path, input_names=inputs, dynamic_axes=axes, opset_version=_OPSET, dynamo=False
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise RuntimeError(str(error)) from error
        return path.read_bytes()
