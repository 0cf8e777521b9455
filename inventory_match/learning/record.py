"""What a run leaves behind for people: `run.json`, TensorBoard logs, `curves.png`."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torchvision

from inventory_match import __version__
from inventory_match.learning.preset import Preset

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

VALIDATION = "validation: "
"""Begins the name of a share of right answers."""


class RunRecord:
    """Keeps the files of a run's `folder` true after every epoch."""

    def __init__(self, folder: Path, facts: Mapping[str, Any], epochs: Sequence[Mapping[str, Any]]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._facts = folder, dict(facts)
        self.epochs = [dict(epoch) for epoch in epochs]
        self._writer: SummaryWriter | None = None
        self.write()

    @property
    def fingerprint(self) -> str:
        return str(self._facts["fingerprint"])

    def step(self, number: int, loss: float, rate: float) -> None:
        """One step, counted from the run's first."""
        board = self._board(number)
        board.add_scalar("step/loss", loss, number)
        board.add_scalar("step/rate", rate, number)

    def epoch(self, figures: Mapping[str, Any]) -> None:
        """Notes a finished epoch."""
        for name, value in figures.items():
            if isinstance(value, float):
                self._board(0).add_scalar(f"epoch/{name}", value, len(self.epochs))
        self.epochs.append(dict(figures))
        self.write()

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Notes what is known at the end, and draws the curves."""
        self._facts |= facts
        self.write()
        draw_curves(self.epochs, self._folder / "curves.png")
        if self._writer is not None:
            self._writer.close()

    def write(self) -> None:
        """`run.json`, whole or not at all."""
        beside = self._folder / "run.json.part"
        beside.write_text(json.dumps(self._facts | {"epochs": self.epochs}, indent=1) + "\n", encoding="utf-8")
        beside.replace(self._folder / "run.json")

    def _board(self, step: int) -> SummaryWriter:
        from torch.utils.tensorboard import SummaryWriter

        if self._writer is None:
            made: Any = SummaryWriter
            self._writer = made(str(self._folder / "tensorboard"), purge_step=step)
        return self._writer


def surroundings(device: torch.device) -> dict[str, Any]:
    """What besides the preset and the photos has a say in the result."""
    return {
        "versions": {
            "inventory-match": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        },
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "cpu",
        "threads": torch.get_num_threads(),
    }


def fingerprint(preset: Preset, files: Mapping[str, str], classes: Sequence[str]) -> str:
    """Tells runs apart that would not give the same result on the same machine."""
    whole = [preset.model_dump(mode="json"), sorted(files.values()), list(classes)]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def draw_curves(epochs: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Loss, and what validation said, by epoch."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure = Figure(figsize=(10, 4))
    # Margins of our own: to have them found takes longer than all the rest.
    margins = {"left": 0.06, "right": 0.98, "bottom": 0.13, "top": 0.91}
    losses, shares = figure.subplots(1, 2, gridspec_kw=margins)
    numbers = range(1, len(epochs) + 1)
    for axes in (losses, shares):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
    losses.plot(numbers, [epoch["loss"] for epoch in epochs], marker=".")
    losses.set(title="Loss", xlabel="epoch")
    for name in sorted({name for epoch in epochs for name in epoch if name.startswith(VALIDATION)}):
        shares.plot(numbers, [epoch.get(name) for epoch in epochs], marker=".", label=name.removeprefix(VALIDATION))
    shares.set(title="Right answers among validation photos", xlabel="epoch", ylim=(0, 1.02))
    shares.yaxis.set_major_formatter(PercentFormatter(1))
    if shares.lines:
        shares.legend(loc="lower right", fontsize="small")
    figure.savefig(out, dpi=120)
