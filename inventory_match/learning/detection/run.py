"""`inventory-match train detector`, as a function: from a preset to the detector file that serving loads."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError  # nosec B403 # the name of a failure; nothing is unpickled but tensors

import torch
from rich.progress import Progress, TaskID
from torchvision.models.detection.fcos import FCOS

from inventory_match.domain.errors import ConfigurationError, Conflict, InvalidInput
from inventory_match.learning.detection.course import Course, detector_to_teach, teach
from inventory_match.learning.detection.photos import Boxed, fronts, kept_for_validation, read_boxes
from inventory_match.learning.detection.preset import DetectorPreset, Photos
from inventory_match.learning.detection.rendered import rendered
from inventory_match.learning.train import Plan
from inventory_match.vision.detection import weights
from inventory_match.vision.detection.weights import DetectorRecord


@dataclass(frozen=True, slots=True)
class _Material:
    """What is learned from, with how often each is drawn, and the names kept to judge by."""

    sources: list[Sequence[Boxed]]
    shares: list[float]
    kept: list[str]


def train(preset: DetectorPreset, folders: Sequence[Path], plan: Plan, progress: Progress) -> DetectorRecord:
    """Renders, teaches, writes the file; returns its record. `folders` are where the preset's files may lie.

    The run's folder keeps the rendered scenes, the checkpoint, `kept.txt` (photos nothing was learned from) and `run.json`.
    Raises Conflict where that folder holds an unfinished run that was not asked to go on, InvalidInput for what is missing.
    """
    checkpoint = plan.checkpoint
    if checkpoint.exists() and not plan.resume:
        raise Conflict(f"{plan.folder} holds a run; go on with --resume, or name another folder with --run")
    plan.folder.mkdir(parents=True, exist_ok=True)
    material = _material(preset, folders, plan, progress)
    (plan.folder / "kept.txt").write_text("".join(f"{name}\n" for name in material.kept))
    detector = detector_to_teach()
    _start(detector, preset, folders)
    taught = preset.course
    course = Course(
        taught.steps, taught.batch, taught.rate, taught.trunk_rate, seed=preset.seed, shares=tuple(material.shares)
    )
    log = _Log(plan.folder / "run.json", preset, progress, progress.add_task("learning", total=taught.steps))
    learned = teach(
        detector, material.sources, course, checkpoint, workers=plan.workers, device=plan.device, told=log.heard
    )
    network = preset.network
    record = DetectorRecord(
        preset.about.name,
        network.arch,
        network.side,
        network.least_score,
        network.same_box,
        preset.about.licence,
        preset.about.origin,
    )
    return weights.write(plan.out, record, learned.cpu().state_dict())


def _material(preset: DetectorPreset, folders: Sequence[Path], plan: Plan, progress: Progress) -> _Material:
    sources: list[Sequence[Boxed]] = []
    kept: list[str] = []
    for source in preset.photos:
        photos, names = _learned(source, folders)
        sources.append(photos)
        kept += names
    shares = [one.share for one in preset.photos]
    if preset.rendered is not None:
        task = progress.add_task("drawing shelves", total=preset.rendered.photos)
        prints = [front for photos in sources for front in fronts(photos[::2])]
        drawn = rendered(
            plan.folder / "rendered",
            preset.rendered.photos,
            preset.seed,
            prints,
            processes=max(plan.workers, 2),
            drawn=lambda more: progress.advance(task, more),
        )
        sources.append(drawn)
        shares.append(preset.rendered.share)
    return _Material(sources, shares, kept)


def _learned(source: Photos, folders: Sequence[Path]) -> tuple[list[Boxed], list[str]]:
    """The photos of a source without those kept to judge by, and the names of these."""
    base = _found(source.boxes, folders)
    images = _found(source.images, [base, *folders]) / source.images
    photos = read_boxes(base / source.boxes, images, exhaustive=source.exhaustive)
    if missing := [one.path for one in photos if not one.path.is_file()]:
        raise InvalidInput("is named by the table and is not there", file=str(missing[0]), cure="lay it there")
    if not source.keep_every:
        return photos, []
    names = kept_for_validation([one.path for one in photos], source.keep_every)
    return [one for one in photos if one.path.name not in names], sorted(names)


def _found(name: str, folders: Sequence[Path]) -> Path:
    """The folder that `name` lies in."""
    for folder in folders:
        if (folder / name).exists():
            return folder
    raise InvalidInput("is nowhere to be found", file=name, cure="say with --data which folder it lies in")


def _start(detector: FCOS, preset: DetectorPreset, folders: Sequence[Path]) -> None:
    """Lays the weights in that the preset names."""
    name = preset.network.weights
    if not name:
        return
    path = _found(name, folders) / name
    try:
        if path.suffix == ".safetensors":
            detector.load_state_dict(weights.read_tensors(weights.read_record(path)))
            return
        state = torch.load(path, weights_only=True, map_location="cpu")
        body = detector.backbone.body
        body.load_state_dict({key: state[f"features.{key}"] for key in body.state_dict()})
    except (KeyError, RuntimeError, UnpicklingError) as error:
        cure = "give a torchvision MobileNetV2 (.pth) or a detector file (.safetensors)"
        raise ConfigurationError(f"{path}: these are not weights of {preset.network.arch}: {error}; {cure}") from error


class _Log:
    """Moves the bar, and keeps the losses (averages of 50 steps) in `run.json`."""

    def __init__(self, path: Path, preset: DetectorPreset, progress: Progress, task: TaskID) -> None:
        self._path, self._preset, self._progress, self._task = path, preset, progress, task
        self._sums: dict[str, float] = {}
        self._losses: list[dict[str, float]] = json.loads(path.read_text())["losses"] if path.exists() else []
        self._since = time.monotonic()

    def heard(self, step: int, losses: Mapping[str, float]) -> None:
        self._progress.update(self._task, completed=step)
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value / 50
        if step % 50 == 0:
            row = {"step": step, **{name: round(value, 4) for name, value in self._sums.items()}}
            self._losses.append(row | {"seconds": round(time.monotonic() - self._since, 1)})
            self._sums = {}
            self._path.write_text(json.dumps({"preset": self._preset.model_dump(), "losses": self._losses}, indent=1))
