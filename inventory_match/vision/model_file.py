"""Model files: weights and the record of what they are, in one safetensors file, so that they cannot drift apart.

A record is JSON in the file's metadata under a key that says what kind of model it is; the file's own sha256 names it
everywhere else. Weights are stored as 16-bit floats, the running statistics of batch norms as 32-bit ones. Nothing in such a
file can run code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from inventory_match.domain.errors import ConfigurationError

if TYPE_CHECKING:
    import torch

FOLDER = Path(str(resources.files("inventory_match.vision"))) / "models"
"""Of the models that ship."""


def store(path: Path, key: str, record: str, tensors: Mapping[str, torch.Tensor]) -> str:
    """Writes record and weights; returns the file's sha256."""
    from safetensors.torch import save

    data = save({name: _stored(path, name, tensor) for name, tensor in tensors.items()}, {key: record})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def _stored(path: Path, name: str, tensor: torch.Tensor) -> torch.Tensor:
    if not tensor.is_floating_point() or "running_" in name:
        return tensor.contiguous()
    half = tensor.half().contiguous()
    if not half.isfinite().all():
        raise ConfigurationError(f"{path}: {name} holds values a 16-bit float cannot; train again with a smaller rate")
    return half


def metadata(path: Path, key: str, sha256: str | None, repair: str) -> tuple[str, str]:
    """The record in a file and the file's sha256, checked against `sha256` where one is given; does not load torch.

    Raises ConfigurationError, which ends in `repair`, when the file is missing, damaged, not the one that was asked for, or has
    no such record.
    """
    found = hashlib.sha256(_bytes(path, repair)).hexdigest()
    if sha256 is not None and found != sha256.lower():
        raise ConfigurationError(f"{path}: sha256 is {found}, expected {sha256}; {repair}")
    try:
        with safe_open(path, framework="numpy") as file:
            kept = file.metadata() or {}
    except SafetensorError as error:
        raise ConfigurationError(f"{path}: not a whole safetensors file ({error}); {repair}") from error
    if key not in kept:
        raise ConfigurationError(f"{path}: carries no {key} record this version can read; {repair}")
    return kept[key], found


def tensors(path: Path, sha256: str, repair: str) -> dict[str, torch.Tensor]:
    """The weights, as 32-bit floats; ConfigurationError if the file is no longer the one with that sha256."""
    from safetensors.torch import load

    weights = load(contents(path, sha256, repair))
    return {name: t.float() if t.is_floating_point() else t for name, t in weights.items()}


def contents(path: Path, sha256: str, repair: str) -> bytes:
    """The file as it was when its record was read; ConfigurationError if it changed since."""
    data = _bytes(path, repair)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ConfigurationError(
            f"{path}: changed while in use; put the one with sha256 {sha256[:12]}… back, or {repair}"
        )
    return data


def shipped(pins: str) -> tuple[Path, str]:
    """Path and pinned sha256 of a model inside the package; `pins` is the JSON file that names it."""
    try:
        pinned = json.loads((FOLDER / pins).read_text(encoding="utf-8"))
        return FOLDER / pinned["file"], str(pinned["sha256"])
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(f"{FOLDER / pins}: does not name the shipped model ({error}); reinstall") from error


def _bytes(path: Path, repair: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: the model file cannot be read ({error.strerror}); {repair}") from error
