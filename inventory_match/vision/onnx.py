"""An encoder file run by ONNX Runtime: torch builds the network and hands its graph over once, at the first crop.

The graph is made from the encoder file, which takes a second or two and torch; its convolutions are then about twice as fast
as torch's on processors with AVX2. A copy is kept on this host (`graphs`), so that the next process starts without torch.
"""

from __future__ import annotations

import os
import warnings
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

    from inventory_match.ports import Embeddings
    from inventory_match.vision.encoder import Network
    from inventory_match.vision.weights import EncoderRecord

_OPSET = 17
"""Of ONNX: the newest one torch's tracing exporter writes without converting."""


_MOST_GRAPHS = 2
_graphs: dict[str, bytes] = {}
"""By sha256: one, or two while encoders are being switched."""


class OnnxEncoder(FileEncoder):
    """32-bit floats throughout, hence torch's vectors; batches of any length. `kept` is the folder of graphs, if any."""

    runtime = "onnx"

    def __init__(self, record: EncoderRecord, *, batch: int = 8, threads: int = 0, kept: Path | None = None) -> None:
        super().__init__(record, batch=batch, threads=threads)
        self._kept = kept

    def _load(self) -> Network:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # Said outright: left to itself it also binds threads to cores, which a container may forbid.
        options.intra_op_num_threads = self._threads or _cores()
        # Waiting threads sleep: a worker has neighbours on the same cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        made = graph(self.record, self._kept)
        session = onnxruntime.InferenceSession(made, options, providers=["CPUExecutionProvider"])

        def run(batch: NDArray[np.float32]) -> Embeddings:
            return cast("Embeddings", session.run(None, {"crops": np.ascontiguousarray(batch)})[0])

        return run


def _cores() -> int:
    """Those this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def graph(record: EncoderRecord, kept: Path | None = None) -> bytes:
    """What `export` writes: in this process once for each encoder, on this host once where there is a folder to keep it.

    Raises ConfigurationError where the file changed since its record was read, whatever is kept, and as `export` does.
    """
    if record.sha256 not in _graphs:
        read_file(record)
        made = None if kept is None else graphs.find(kept, record.sha256)
        if made is None:
            made = _exported(record)
            if kept is not None:
                graphs.keep(kept, record.sha256, made)
        while len(_graphs) >= _MOST_GRAPHS:
            _graphs.pop(next(iter(_graphs)))  # the oldest
        _graphs[record.sha256] = made
    return _graphs[record.sha256]


def _exported(record: EncoderRecord) -> bytes:
    """With one thread: torch's threads would not survive a fork."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return export(record)
    finally:
        torch.set_num_threads(threads)


def export(record: EncoderRecord) -> bytes:
    """The encoder's network as an ONNX model: `crops` (n, 3, side, side) to vectors (n, dim), for any n.

    Torch's newer exporter needs 20 seconds of processor time for a MobileNetV2 where this one needs one, which is why
    its deprecation is borne with. Raises ConfigurationError for a network that ONNX cannot express.
    """
    import torch

    side = record.preprocessing.crop or record.preprocessing.size
    crops = torch.zeros(2, 3, side, side)
    with TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        written = Path(folder) / "encoder.onnx"
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            torch.onnx.export(
                load_network(record),
                (crops,),
                written,
                input_names=["crops"],
                dynamic_axes={"crops": {0: "n"}},
                opset_version=_OPSET,
                dynamo=False,
            )
        except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
            raise ConfigurationError(
                f"{record.path}: {record.arch} has no ONNX form ({error}); set INVENTORY_MATCH_ENCODER_RUNTIME=torch"
            ) from error
        return written.read_bytes()
