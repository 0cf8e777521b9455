"""Encoder files: weights and the record of what they are, in one safetensors file, so that they cannot drift apart.

The record (architecture, dimension, metric, preprocessing, how the head came about, licence, origin) is JSON in the
file's metadata; the file's own sha256 names the encoder everywhere else, above all beside every stored vector. Weights
are stored as 16-bit floats, the running statistics of batch norms as 32-bit ones. Nothing in such a file can run code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from safetensors import SafetensorError, safe_open

from inventory_match.domain.errors import ConfigurationError
from inventory_match.domain.matching import Thresholds

if TYPE_CHECKING:
    import torch

_KEY = "inventory_match.encoder"
_REPAIR = "fetch it again, or train one with `inventory-match train`"

Pool: TypeAlias = Literal["average", "gem"]
"""How a feature map becomes one vector: the mean over its places, or the generalised one (`network.GeM`)."""

UNCALIBRATED = Thresholds(accept=0.6, margin=0.02)
"""For encoders nobody has calibrated: a cautious guess, to be replaced by measuring on one's own photos."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How pixels become the network's input: resize to `size`, perhaps cut a centred square, then (x/255 - mean) / std.

    `resize` is `stretch` (both sides to `size`: nothing is cut), `shorter_side` (keeps the shape; wants `crop`), `pad`
    (keeps the shape, fills up with the mean colour). `crop` is the side of the centred square in px, None for no cut.
    """

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize: Literal["stretch", "shorter_side", "pad"] = "stretch"
    crop: int | None = None

    def __post_init__(self) -> None:
        if self.resize not in ("stretch", "shorter_side", "pad"):
            raise ConfigurationError(f"unknown resize mode {self.resize!r}; use stretch, shorter_side or pad")
        if self.resize == "shorter_side" and self.crop is None:
            raise ConfigurationError("resize mode shorter_side gives no square; say how much to crop")


@dataclass(frozen=True, slots=True)
class EncoderRecord:
    """What an encoder is, and the thresholds calibrated with it, which mean nothing for another.

    `pool` is how the feature map becomes one vector, `mirror` whether every crop is also looked at mirrored, `branches` how
    many encoders were joined in it, whose trunks part behind `shared` blocks (see `network`); files older than these fields
    average, do not mirror and are one. `path` and `sha256` are the file's, known once it has been written or read; they are
    not stored inside it.
    """

    name: str
    arch: str
    dim: int
    metric: Literal["cosine", "euclidean"]
    preprocessing: Preprocessing
    head: str
    licence: str
    origin: str
    thresholds: Thresholds
    pool: Pool = "average"
    mirror: bool = False
    branches: int = 1
    shared: int = 0
    sha256: str = field(default="", compare=False)
    path: Path | None = field(default=None, compare=False)

    def to_json(self) -> str:
        """The record as it is stored."""
        return json.dumps(
            {key: value for key, value in asdict(self).items() if key not in ("sha256", "path")}, sort_keys=True
        )

    @classmethod
    def from_json(cls, text: str) -> EncoderRecord:
        """The inverse of `to_json`; raises ValueError, TypeError or KeyError when a field is missing or unknown."""
        data = json.loads(text)
        shape = data.pop("preprocessing")
        shape |= {"mean": tuple(shape["mean"]), "std": tuple(shape["std"])}
        thresholds = Thresholds.from_mapping(data.pop("thresholds"))
        return cls(**data, preprocessing=Preprocessing(**shape), thresholds=thresholds)


def write(path: Path, record: EncoderRecord, tensors: Mapping[str, torch.Tensor]) -> EncoderRecord:
    """Stores record and weights; returns the record with path and sha256 of the file written."""
    from safetensors.torch import save

    data = save({name: _stored(path, name, tensor) for name, tensor in tensors.items()}, {_KEY: record.to_json()})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return replace(record, path=path, sha256=hashlib.sha256(data).hexdigest())


def _stored(path: Path, name: str, tensor: torch.Tensor) -> torch.Tensor:
    if not tensor.is_floating_point() or "running_" in name:
        return tensor.contiguous()
    half = tensor.half().contiguous()
    if not half.isfinite().all():
        raise ConfigurationError(f"{path}: {name} holds values a 16-bit float cannot; train again with a smaller rate")
    return half


def read_record(path: Path, sha256: str | None = None) -> EncoderRecord:
    """The record of an encoder file, checked against `sha256` when one is given; does not load torch.

    Raises ConfigurationError when the file is missing, damaged, not one of ours, or not the one that was asked for.
    """
    found = _digest(path)
    if sha256 is not None and found != sha256.lower():
        raise ConfigurationError(f"{path}: sha256 is {found}, expected {sha256}; {_REPAIR}")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
        return replace(EncoderRecord.from_json(metadata[_KEY]), path=path, sha256=found)
    except SafetensorError as error:
        raise ConfigurationError(f"{path}: not a whole safetensors file ({error}); {_REPAIR}") from error
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigurationError(
            f"{path}: carries no encoder record this version can read ({error}); {_REPAIR}"
        ) from error


def read_tensors(record: EncoderRecord) -> dict[str, torch.Tensor]:
    """The weights of the file `record` was read from, as 32-bit floats; ConfigurationError if it changed since."""
    from safetensors.torch import load

    return {name: t.float() if t.is_floating_point() else t for name, t in load(read_file(record)).items()}


def read_file(record: EncoderRecord) -> bytes:
    """The file `record` was read from, as it was then; ConfigurationError if it changed since."""
    if record.path is None:
        raise ConfigurationError(
            f"the record of {record.name!r} names no file; take one from read_record or shipped_default"
        )
    data = _bytes(record.path)
    if hashlib.sha256(data).hexdigest() != record.sha256:
        raise ConfigurationError(
            f"{record.path}: changed while in use; put the one with sha256 {record.sha256[:12]}… back, or run"
            " `inventory-match encoders build FILE` with the new one"
        )
    return data


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: the encoder file cannot be read ({error.strerror}); {_REPAIR}") from error


def _digest(path: Path) -> str:
    return hashlib.sha256(_bytes(path)).hexdigest()


def shipped_default() -> EncoderRecord:
    """The record of the encoder inside the package, verified against the sha256 pinned beside it."""
    folder = Path(str(resources.files("inventory_match.vision"))) / "models"
    try:
        pinned = json.loads((folder / "shipped.json").read_text(encoding="utf-8"))
        path, sha256 = folder / pinned["file"], str(pinned["sha256"])
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(
            f"{folder / 'shipped.json'}: does not name the shipped encoder ({error}); reinstall"
        ) from error
    return read_record(path, sha256)
