"""Which runtime runs an encoder file. All give the same vectors (cosine 0.9995 and nearer), so that they may be mixed.

ONNX Runtime is preferred: on processors without 16-bit arithmetic it needs about half of torch's time a crop for
MobileNetV2 (`inventory-match bench embed` measures it where you are). Torch is the reference, and what trains.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, TypeAlias

from inventory_match.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from inventory_match.vision.encoder import FileEncoder
    from inventory_match.vision.weights import EncoderRecord

Runtime: TypeAlias = Literal["torch", "onnx"]

_NEEDED_BY_ONNX = ("onnxruntime", "onnx")


def installed() -> tuple[Runtime, ...]:
    """The runtimes that can be used here, best first; imports none of them."""
    return ("torch",) if _missing() else ("onnx", "torch")


def load_encoder(
    record: EncoderRecord,
    runtime: Runtime | Literal["auto"] = "auto",
    *,
    threads: int = 0,
    batch: int = 8,
    kept: Path | None = None,
) -> FileEncoder:
    """What embeds with the file that `record` was read from; the file is loaded at the first crop.

    `threads` bounds the cores used in this process (0: all), `batch` the crops embedded at once, `kept` is a folder of this
    host for what takes long to make. `auto` is the best runtime installed. Raises ConfigurationError where the one asked
    for is not.
    """
    if runtime == "onnx" and (missing := _missing()):
        raise ConfigurationError(
            f"encoder_runtime is onnx, and {' and '.join(missing)} cannot be imported; `pip install {' '.join(missing)}`,"
            " or set INVENTORY_MATCH_ENCODER_RUNTIME to auto or torch"
        )
    if _chosen(runtime) == "onnx":
        from inventory_match.vision.onnx import OnnxEncoder

        return OnnxEncoder(record, threads=threads, batch=batch, kept=kept)
    from inventory_match.vision.encoder import TorchEncoder

    return TorchEncoder(record, threads=threads, batch=batch)


def prepare_encoder(
    record: EncoderRecord, runtime: Runtime | Literal["auto"] = "auto", kept: Path | None = None
) -> None:
    """Imports and makes ahead what loading `record` would take seconds for, without starting a thread: a process that forks
    afterwards hands it on to its children. Raises as `load_encoder` and the loading do."""
    if _chosen(runtime) == "onnx":
        from inventory_match.vision.onnx import graph

        graph(record, kept)  # without importing onnxruntime, which starts a thread
    else:
        import_module("torchvision")


def _chosen(runtime: Runtime | Literal["auto"]) -> Runtime:
    return installed()[0] if runtime == "auto" else runtime


def _missing() -> list[str]:
    return [name for name in _NEEDED_BY_ONNX if find_spec(name) is None]
