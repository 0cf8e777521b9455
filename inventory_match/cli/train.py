"""`inventory-match train`: an encoder of one's own photos, from a preset."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from inventory_match.cli.frame import plain_errors, problems, say, table

if TYPE_CHECKING:
    from inventory_match.learning.preset import Preset

_File = click.Path(exists=True, dir_okay=False, path_type=Path)
_Folder = click.Path(exists=True, file_okay=False, path_type=Path)
_FLAGS = {"seed": "seed", "weights": "network.weights", "name": "about.name", "unlabelled": "unlabelled.folder"}
"""Flags that are names for a key of the preset."""


def _skus(_context: click.Context, _option: click.Parameter, path: Path | None) -> frozenset[str]:
    from inventory_match.learning.labelled import read_skus

    with plain_errors():
        return read_skus(path) if path else frozenset()


@click.command()
@click.argument("preset")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="The encoder file to write; with --search a folder."
)
@click.option("--data", multiple=True, type=_Folder, help="Where the preset's files lie, besides here; repeatable.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="A value of the preset: loss.scale=20.")
@click.option("--epochs", type=click.IntRange(1), help="The preset's course in so many epochs.")
@click.option("--seed", type=int, help="Everything random hangs on it.")
@click.option("--weights", help="Where to start: a file (.pth, .safetensors), torchvision's name, shipped, or ''.")
@click.option("--name", help="What the encoder calls itself.")
@click.option("--unlabelled", type=click.Path(exists=True, file_okay=False), help="Photos without labels to learn too.")
@click.option(
    "--exclude-skus", type=_File, callback=_skus, help="Products to keep out of training and validation, one a line."
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--threads", default=0, show_default=True, help="Of torch on the CPU; 0 leaves it to torch.")
@click.option("--workers", type=click.IntRange(0), help="Processes that vary the photos; default 1, on CUDA up to 8.")
@click.option(
    "--run",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for checkpoint, run.json, curves.png and TensorBoard logs; default beside the encoder file.",
)
@click.option("--search", type=click.IntRange(1), help="Try so many settings at random within the preset's [search].")
@click.option("--resume", is_flag=True, help="Go on from the folder's checkpoint.")
def train(preset: str, out: Path, search: int | None, **flags: Any) -> None:
    """Learn from PRESET: a TOML file, or one of the package. products, quick and selfsupervised teach an encoder, detector a
    product detector.

    With --search, --out is a folder: an encoder file for each of the settings tried, and the table of how they did.
    """
    if out.is_dir() if not search else out.is_file():
        raise click.BadParameter(f"{str(out)!r} is a {'file' if search else 'folder'}", param_hint="--out")
    out.parent.mkdir(parents=True, exist_ok=True)
    with plain_errors():
        if _teaches_detector(preset):
            _detector(preset, out, search, flags)
            return
        _preset(preset, flags, {})  # what is wrong with it is told before torch takes its time to load
        _settle_threads(flags["threads"])
        if search:
            _search(preset, out, search, flags)
            return
        folder = flags["run"] or out.with_suffix(".run")
        figures = _learn(preset, out, folder, flags, {})
        rows = [(name, f"{100 * share:.1f} %") for name, share in figures.items()]
        table("Nearest reference", ["photos", "right"], rows)
        say(f"{out}: {out.stat().st_size / 2**20:.1f} MiB; how it went: {folder}/run.json, curves.png, tensorboard")
        if rows:
            say(f"the photos it learned, and those it was judged by, as CSVs: {folder}/learned.csv, {folder}/judged-by")


def _teaches_detector(preset: str) -> bool:
    from inventory_match.learning.preset_file import preset_path, task_of

    return task_of(preset_path(preset)) == "detector"


_ENCODERS_ONLY = ("epochs", "unlabelled")
"""Flags that mean nothing for a detector."""


def _detector(preset: str, out: Path, search: int | None, flags: Mapping[str, Any]) -> None:
    meant = [f"--{flag}" for flag in _ENCODERS_ONLY if flags[flag]] + ["--exclude-skus"] * bool(flags["exclude_skus"])
    if search or meant:
        said = "--search" if search else meant[0]
        raise click.BadParameter(
            "is for encoders; a detector's course is set with --set course.steps=N", param_hint=said
        )
    from inventory_match.learning.detection.preset import DetectorPreset
    from inventory_match.learning.detection.run import train as teach
    from inventory_match.learning.preset_file import preset_path, read_strictly
    from inventory_match.learning.train import Plan, best_device

    named = {key: flags[flag] for flag, key in _FLAGS.items()}
    chosen = read_strictly(preset_path(preset), DetectorPreset, flags["changes"], named)
    _settle_threads(flags["threads"])
    folder = flags["run"] or out.with_suffix(".run")
    workers = 1 if flags["workers"] is None else flags["workers"]
    plan = Plan(out, folder, best_device(flags["device"]), workers, flags["resume"])
    with _progress() as progress:
        record = teach(chosen, [Path(), *flags["data"]], plan, progress)
    say(f"{out}: {out.stat().st_size / 2**20:.1f} MiB, sha256 {record.sha256}; how it went: {folder}/run.json")
    say(f"judge it with `inventory-match evaluate shelf`; photos it did not learn from: {folder}/kept.txt")


def _settle_threads(threads: int) -> None:
    import torch

    from inventory_match.learning.memory import keep_freed_memory

    keep_freed_memory()
    if threads:
        torch.set_num_threads(threads)


def _learn(
    preset: str, out: Path, folder: Path, flags: Mapping[str, Any], drawn: Mapping[str, object]
) -> dict[str, float]:
    """One run; `drawn` are values that a search chose."""
    from inventory_match.learning.sources import read_sources
    from inventory_match.learning.train import Plan, best_device
    from inventory_match.learning.train import train as learn

    chosen = _preset(preset, flags, drawn)
    sources = read_sources(chosen, [Path(), *flags["data"]], flags["exclude_skus"])
    device = best_device(flags["device"])
    workers = flags["workers"]
    if workers is None:
        workers = min(8, os.cpu_count() or 1) if device.type == "cuda" else 1
    with _progress() as progress:
        return learn(chosen, sources, Plan(out, folder, device, workers, flags["resume"]), progress)


def _preset(preset: str, flags: Mapping[str, Any], drawn: Mapping[str, object]) -> Preset:
    from inventory_match.learning.preset_file import preset_path, read_preset

    named = {key: flags[flag] for flag, key in _FLAGS.items()}
    return read_preset(preset_path(preset), flags["changes"], named | dict(drawn), flags["epochs"])


def _search(preset: str, folder: Path, runs: int, flags: Mapping[str, Any]) -> None:
    from inventory_match.learning.search import search, tabulated

    asked = _preset(preset, flags, {})

    def tried(number: int, settings: Mapping[str, object]) -> Mapping[str, float]:
        out = folder / f"{number:03d}.safetensors"
        run = out.with_suffix(".run")
        return _learn(preset, out, run, {**flags, "resume": (run / "checkpoint.pt").exists()}, settings)

    besides = asked.model_dump_json()
    rows = search(asked.search, tried, runs=runs, seed=asked.seed, folder=folder, besides=besides)
    table("Settings tried, best first", *tabulated(rows))
    say(f"the table is in {folder / 'search.csv'}")


def _progress() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=problems)
