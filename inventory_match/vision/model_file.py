"""Model files: weights and the record of what they are, in one safetensors file, so that they cannot drift apart.

A record is JSON in the file's metadata under a key that says which kind of model it is; the file's own sha256 names it
everywhere else. Weights are stored as 16-bit floats, the running statistics of batch norms as 32-bit ones. Nothing in such a
file can run code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from safetensors import SafetensorError, safe_open

from inventory_match.domain.errors import ConfigurationError

if TYPE_CHECKING:
    import torch

_FOLDER = Path(str(resources.files("inventory_match.vision"))) / "models"
"""Of the models that ship."""

_Record = TypeVar("_Record")


class Kept(Protocol):
    """A record that knows the file it was read from."""

    @property
    def name(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def path(self) -> Path | None: ...


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file is a model of ("encoder"), what to do about one that cannot be used, and about one put in its place."""

    name: str
    repair: str
    replaced: str

    @property
    def _key(self) -> str:
        return f"inventory_match.{self.name}"

    def store(self, path: Path, record: str, tensors: Mapping[str, torch.Tensor]) -> str:
        """Writes record and weights; returns the file's sha256."""
        from safetensors.torch import save

        data = save({name: _stored(path, name, tensor) for name, tensor in tensors.items()}, {self._key: record})
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return hashlib.sha256(data).hexdigest()

    def record(self, path: Path, sha256: str | None, parse: Callable[[str], _Record]) -> tuple[_Record, str]:
        """The record in a file as `parse` reads it, and the file's sha256; does not load torch.

        Raises ConfigurationError when the file is missing, damaged, not the one with `sha256` where one is given, or has no
        such record that can be read.
        """
        found = hashlib.sha256(self._bytes(path)).hexdigest()
        if sha256 is not None and found != sha256.lower():
            raise ConfigurationError(f"{path}: sha256 is {found}, expected {sha256}; {self.repair}")
        try:
            with safe_open(path, framework="numpy") as file:
                kept = file.metadata() or {}
            return parse(kept[self._key]), found
        except SafetensorError as error:
            raise ConfigurationError(f"{path}: not a whole safetensors file ({error}); {self.repair}") from error
        except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise ConfigurationError(
                f"{path}: carries no {self.name} record this version can read ({error}); {self.repair}"
            ) from error

    def tensors(self, kept: Kept) -> dict[str, torch.Tensor]:
        """The weights, as 32-bit floats; ConfigurationError if the file is no longer the one the record was read from."""
        from safetensors.torch import load

        return {name: t.float() if t.is_floating_point() else t for name, t in load(self.contents(kept)).items()}

    def contents(self, kept: Kept) -> bytes:
        """The file as it was when its record was read; ConfigurationError if it changed since."""
        if kept.path is None:
            raise ConfigurationError(
                f"the record of {kept.name!r} names no file; take one from read_record or shipped_default"
            )
        data = self._bytes(kept.path)
        if hashlib.sha256(data).hexdigest() != kept.sha256:
            raise ConfigurationError(
                f"{kept.path}: changed while in use; put the one with sha256 {kept.sha256[:12]}… back, or {self.replaced}"
            )
        return data

    def shipped(self, pins: str) -> tuple[Path, str]:
        """Path and pinned sha256 of the model inside the package that the JSON file `pins` names."""
        try:
            pinned = json.loads((_FOLDER / pins).read_text(encoding="utf-8"))
            return _FOLDER / pinned["file"], str(pinned["sha256"])
        except (OSError, ValueError, KeyError) as error:
            raise ConfigurationError(
                f"{_FOLDER / pins}: does not name the shipped {self.name} ({error}); reinstall"
            ) from error

    def _bytes(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise ConfigurationError(
                f"{path}: the {self.name} file cannot be read ({error.strerror}); {self.repair}"
            ) from error


def _stored(path: Path, name: str, tensor: torch.Tensor) -> torch.Tensor:
    if not tensor.is_floating_point() or "running_" in name:
        return tensor.contiguous()
    half = tensor.half().contiguous()
    if not half.isfinite().all():
        raise ConfigurationError(f"{path}: {name} holds values a 16-bit float cannot; train again with a smaller rate")
    return half
