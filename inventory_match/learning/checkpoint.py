"""The state of a run between two epochs, on disk: written beside and renamed, so that a `kill -9` leaves the old or the new."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError  # nosec B403 # the name of a failure; nothing is unpickled but tensors
from typing import Any

import torch

from inventory_match.domain.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`fingerprint` tells which run it is of; `epochs` has the figures of each finished one; `state` is the run's own."""

    fingerprint: str
    epochs: list[dict[str, Any]]
    state: dict[str, Any]

    def save(self, path: Path) -> None:
        """Durable once this returns."""
        beside = path.with_suffix(".part")
        with beside.open("wb") as file:
            torch.save({"fingerprint": self.fingerprint, "epochs": self.epochs, "state": self.state}, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Raises ConfigurationError where the file is damaged or holds more than tensors, numbers and names."""
        try:
            return cls(**torch.load(path, map_location="cpu", weights_only=True))
        except (OSError, RuntimeError, EOFError, ValueError, TypeError, KeyError, UnpicklingError) as error:
            raise ConfigurationError(f"{path}: no checkpoint of a run ({error}); remove it to start again") from error
