"""An encoder file run by ONNX Runtime: torch builds the network and hands its graph over once, at the first crop.

The graph is made here from the encoder file and not kept on disk, so there is no second model file that could drift from
the first. Handing it over takes a second or two, once a process (workers do it before they fork); its convolutions are then
about twice as fast as torch's on processors with AVX2.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, cast

from inventory_match.domain.errors import ConfigurationError
from inventory_match.vision.encoder import FileEncoder, limit_threads, load_network

if TYPE_CHECKING:
    import torch

    from inventory_match.ports import Embeddings
    from inventory_match.vision.encoder import Network
    from inventory_match.vision.weights import EncoderRecord

_OPSET = 17
"""Of ONNX: the newest one torch's tracing exporter writes without converting."""


_MOST_GRAPHS = 2
_graphs: dict[str, bytes] = {}
"""By sha256: one, or two while encoders are being switched."""


class OnnxEncoder(FileEncoder):
    """32-bit floats throughout, hence torch's vectors; batches of any length."""

    runtime = "onnx"

    def _load(self) -> Network:
        import onnxruntime
        import torch

        limit_threads(self._threads)
        options = onnxruntime.SessionOptions()
        # Said outright: left to itself it also binds threads to cores, which a container may forbid.
        options.intra_op_num_threads = torch.get_num_threads()
        # Waiting threads sleep: a worker has neighbours on the same cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(graph(self.record), options, providers=["CPUExecutionProvider"])

        def run(batch: torch.Tensor) -> Embeddings:
            return cast("Embeddings", session.run(None, {"crops": batch.contiguous().numpy()})[0])

        return run


def graph(record: EncoderRecord) -> bytes:
    """What `export` writes, made once a process for each encoder, with one thread: threads would not survive a fork."""
    import torch

    if record.sha256 not in _graphs:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            made = export(record)
        finally:
            torch.set_num_threads(threads)
        while len(_graphs) >= _MOST_GRAPHS:
            _graphs.pop(next(iter(_graphs)))  # the oldest
        _graphs[record.sha256] = made
    return _graphs[record.sha256]


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
