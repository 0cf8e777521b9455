"""What an encoder file is: architecture, dimension, metric, preprocessing, how the head came about, licence, origin.

The record travels in the file (`model_file`); the file's own sha256 names the encoder everywhere else, above all beside every
stored vector.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from inventory_match.domain.errors import ConfigurationError
from inventory_match.domain.matching import Thresholds
from inventory_match.vision.model_file import Kind

if TYPE_CHECKING:
    import torch

_KIND = Kind(
    "encoder",
    "fetch it again, or train one with `inventory-match train`",
    "run `inventory-match encoders build FILE` with the new one",
)

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
    return replace(record, path=path, sha256=_KIND.store(path, record.to_json(), tensors))


def read_record(path: Path, sha256: str | None = None) -> EncoderRecord:
    """The record of an encoder file, checked against `sha256` when one is given; does not load torch.

    Raises ConfigurationError when the file is missing, damaged, not one of ours, or not the one that was asked for.
    """
    record, found = _KIND.record(path, sha256, EncoderRecord.from_json)
    return replace(record, path=path, sha256=found)


def read_tensors(record: EncoderRecord) -> dict[str, torch.Tensor]:
    """The weights of the file `record` was read from, as 32-bit floats; ConfigurationError if it changed since."""
    return _KIND.tensors(record)


def read_file(record: EncoderRecord) -> bytes:
    """The file `record` was read from, as it was then; ConfigurationError if it changed since."""
    return _KIND.contents(record)


def shipped_default() -> EncoderRecord:
    """The record of the encoder inside the package, verified against the sha256 pinned beside it."""
    return read_record(*_KIND.shipped("shipped.json"))
