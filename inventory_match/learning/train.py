"""`inventory-match train`, as a function: from a preset and its photos to the encoder file that serving loads.

The photos are decoded once; each epoch learns a draw of them, judges the moving average of the weights on the validation
photos, writes the encoder file and then a checkpoint. A run that was cut short goes on from there and ends with the very
file an uninterrupted one writes (on a CPU, with the same number of threads).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress

from inventory_match.domain.errors import ConfigurationError, Conflict
from inventory_match.learning.augment import plain_view
from inventory_match.learning.checkpoint import Checkpoint
from inventory_match.learning.data import PhotosInMemory
from inventory_match.learning.export import export, record_of
from inventory_match.learning.judging import Judge
from inventory_match.learning.labelled import Labelled
from inventory_match.learning.lists import write_lists
from inventory_match.learning.network import finished_encoder
from inventory_match.learning.preset import Preset
from inventory_match.learning.record import VALIDATION, RunRecord, fingerprint, surroundings
from inventory_match.learning.run import Photos, TrainingRun
from inventory_match.learning.sources import Sources, epoch_plan


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a run works and writes: the encoder file `out`, everything else into `folder`."""

    out: Path
    folder: Path
    device: torch.device
    workers: int = 1
    resume: bool = False

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"


def best_device(wanted: str = "auto") -> torch.device:
    """CUDA where there is one, unless another is wanted. Raises ConfigurationError for one that is not there."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError("torch finds no CUDA device; leave --device away, or say cpu")
    return torch.device("cuda" if wanted == "auto" and torch.cuda.is_available() else wanted.replace("auto", "cpu"))


def train(preset: Preset, sources: Sources, plan: Plan, progress: Progress) -> dict[str, float]:
    """Returns the final figures by name; they stand in `run.json` too. `progress` shows bars, and prints a line an epoch.

    Raises Conflict where `folder` holds this very run, unfinished, and it was not asked to go on, ConfigurationError where
    that is asked of another run's folder, InvalidInput for a photo nobody can read.
    """
    files = sources.digests(Path(start) for start in (preset.network.weights, preset.loss.teacher))
    mark = fingerprint(preset, files, sources.classes)
    before = _before(plan, mark, preset)
    pools, queries = _loaded(preset, sources, progress)
    steps = len(epoch_plan(sources, preset.seed, 0))
    run = TrainingRun(preset, len(sources.classes), steps, device=plan.device, workers=plan.workers)
    moved, of = run.network.moving()
    photos = {pool.source.csv: len(pool.photos) for pool in sources.pools}
    facts = _facts(preset, plan, mark, files) | {"photos": photos, "products": len(sources.classes)}
    facts["parameters"] = {"moved": moved, "of": of}
    record = RunRecord(plan.folder, facts, before.epochs if before else [])
    write_lists(sources, plan.folder)
    _say(
        progress,
        f"{sum(photos.values())} photos of {len(sources.classes)} products, {run.steps} batches of {run.batch} an epoch; "
        f"{moved:,} of {of:,} parameters move",
    )
    judge = Judge(preset, sources, pools, queries, plan.device)
    if plan.resume and before is None:
        progress.console.print(f"{plan.checkpoint} is not there: from the beginning", soft_wrap=True)
    if before is not None:
        run.restore(before.state)
        _say(progress, f"going on after epoch {len(record.epochs)}")
    while len(record.epochs) < preset.epochs and not _tired(record.epochs, preset.patience):
        _epoch(preset, plan, run, record, judge, _draw(sources, pools, preset.seed, len(record.epochs)), progress)
    kept, _ = finished_encoder(plan.out)
    figures = {name: round(share, 4) for name, share in judge.at_the_end(kept.to(plan.device)).items()}
    record.finish(
        {"figures": figures, "seconds": round(sum(epoch["seconds"] for epoch in record.epochs), 1), "finished": True}
    )
    return figures


def _epoch(
    preset: Preset, plan: Plan, run: TrainingRun, record: RunRecord, judge: Judge, photos: Photos, progress: Progress
) -> None:
    """Learns, judges, writes the encoder file where it is the one to keep, then the checkpoint that says so."""
    number, started = len(record.epochs), time.monotonic()
    size, done = preset.size_at(number), number * run.steps
    task = progress.add_task(f"epoch {number + 1}/{preset.epochs}, {size} px", total=run.steps)

    def told(loss: float) -> None:
        nonlocal done
        record.step(done, loss, run.rate)
        done += 1
        progress.advance(task)

    loss = run.epoch(number, photos, told)
    shares = {VALIDATION + name: share for name, share in judge.during(run.averaged, size).items()}
    figures = {"loss": loss, "size": size, **shares, "seconds": round(time.monotonic() - started, 1)}
    if not preset.patience or _best([*record.epochs, figures]) == number:
        _write(preset, plan, run)
    Checkpoint(record.fingerprint, [*record.epochs, figures], run.state()).save(plan.checkpoint)
    record.epoch(figures)
    progress.remove_task(task)
    said = "".join(f", {name.removeprefix(VALIDATION)} {100 * share:.1f} %" for name, share in shares.items())
    _say(
        progress, f"epoch {number + 1}/{preset.epochs} at {size} px: loss {loss:.3f}{said}, {figures['seconds']:.0f} s"
    )


def _say(progress: Progress, line: str) -> None:
    """As one line, also where the log is narrow, and at once."""
    progress.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _write(preset: Preset, plan: Plan, run: TrainingRun) -> None:
    beside = plan.out.with_name(f"{plan.out.name}.part")
    export(run.averaged, record_of(preset, run.averaged.encoder), beside)
    beside.replace(plan.out)


def _best(epochs: Sequence[Mapping[str, Any]]) -> int:
    """The epoch with the best mean over the validation sets, the first of equals; the last one where nothing was judged."""
    judged = [[share for name, share in epoch.items() if name.startswith(VALIDATION)] for epoch in epochs]
    if not all(judged):
        return len(epochs) - 1
    means = [sum(shares) / len(shares) for shares in judged]
    return means.index(max(means))


def _tired(epochs: Sequence[Mapping[str, Any]], patience: int) -> bool:
    return bool(patience and epochs) and len(epochs) - 1 - _best(epochs) >= patience


def _draw(sources: Sources, pools: Sequence[PhotosInMemory], seed: int, epoch: int) -> Photos:
    plan = epoch_plan(sources, seed, epoch)
    return [(pools[pool].pixels[photo], pools[pool].labels[photo]) for pool, photo in plan]


def _facts(preset: Preset, plan: Plan, mark: str, files: Mapping[str, str]) -> dict[str, Any]:
    settings = preset.model_dump(mode="json")
    return {
        "preset": settings,
        "seed": preset.seed,
        "fingerprint": mark,
        **surroundings(plan.device),
        "data": dict(files),
    }


def _before(plan: Plan, mark: str, preset: Preset) -> Checkpoint | None:
    if not plan.checkpoint.exists():
        return None
    found = Checkpoint.load(plan.checkpoint)
    same, after = found.fingerprint == mark, f"after {len(found.epochs)} epochs"
    if plan.resume and not same:
        problem = f"{plan.checkpoint} is of a run with other settings or photos"
        raise ConfigurationError(f"{problem}; give the same, or another folder with --run")
    if not plan.resume and same and len(found.epochs) < preset.epochs and not _tired(found.epochs, preset.patience):
        raise Conflict(f"{plan.folder} holds this run {after}; go on with --resume, or remove it")
    return found if plan.resume else None


def _loaded(preset: Preset, sources: Sources, progress: Progress) -> tuple[list[PhotosInMemory], list[PhotosInMemory]]:
    """Every pool's photos, and every trial's queries, no larger than crops of the largest training picture need."""
    total = sum(len(pool.photos) for pool in sources.pools) + sum(len(trial.queries) for trial in sources.trials)
    task = progress.add_task("reading photos", total=total)
    largest = max(stage.size for stage in preset.stage)
    short = max(preset.network.size, round(largest * 4 / 3))

    def read(photos: Sequence[Labelled], margin: float = 0.0) -> PhotosInMemory:
        return PhotosInMemory(
            photos,
            plain_view(preset.network.size),
            classes=sources.classes,
            short_side=short,
            margin=margin,
            each=lambda: progress.advance(task),
        )

    pools = [read(pool.photos, pool.source.margin) for pool in sources.pools]
    queries = [read(trial.queries) for trial in sources.trials]
    progress.remove_task(task)
    return pools, queries
