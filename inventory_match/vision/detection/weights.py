"""What a detector file is, and at which size and score it was measured to count best."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from inventory_match.vision.model_file import Kind

if TYPE_CHECKING:
    import torch

_KIND = Kind(
    "detector",
    "fetch it again, or train one with `inventory-match train detector`",
    "restart the workers with the new one",
)


@dataclass(frozen=True, slots=True)
class DetectorRecord:
    """A detector: its architecture (`detection.network.build`), the longer side in px that photos are brought to, the least
    score of a facing (0..1), and the intersection over union from which on two boxes are one.

    `classes` is how many a network of torchvision's tells apart, the background among them, and `labels` those that are
    products; none: all.

    `path` and `sha256` are the file's, known once it has been written or read; they are not stored inside it.
    """

    name: str
    arch: str
    side: int
    least_score: float
    same_box: float
    licence: str
    origin: str
    classes: int = 2
    labels: tuple[int, ...] = ()
    sha256: str = field(default="", compare=False)
    path: Path | None = field(default=None, compare=False)

    def to_json(self) -> str:
        """The record as it is stored."""
        kept = {key: value for key, value in asdict(self).items() if key not in ("sha256", "path")}
        return json.dumps(kept, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> DetectorRecord:
        """The inverse of `to_json`; raises ValueError or TypeError when a field is missing or unknown."""
        data = json.loads(text)
        return cls(**data | {"labels": tuple(data.get("labels", ()))})


def write(path: Path, record: DetectorRecord, tensors: Mapping[str, torch.Tensor]) -> DetectorRecord:
    """Stores record and weights; returns the record with path and sha256 of the file written."""
    return replace(record, path=path, sha256=_KIND.store(path, record.to_json(), tensors))


def read_record(path: Path, sha256: str | None = None) -> DetectorRecord:
    """The record of a detector file, checked against `sha256` when one is given. Raises ConfigurationError."""
    record, found = _KIND.record(path, sha256, DetectorRecord.from_json)
    return replace(record, path=path, sha256=found)


def check(record: DetectorRecord) -> None:
    """Raises ConfigurationError where the file is no longer the one `record` was read from."""
    _KIND.contents(record)


def read_tensors(record: DetectorRecord) -> dict[str, torch.Tensor]:
    """The weights of the file `record` was read from, as 32-bit floats; ConfigurationError if it changed since."""
    return _KIND.tensors(record)


def shipped_default() -> DetectorRecord:
    """The record of the detector inside the package, verified against the sha256 pinned beside it."""
    return read_record(*_KIND.shipped("shipped-detector.json"))
