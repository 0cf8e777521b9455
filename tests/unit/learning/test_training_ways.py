"""Every way to train goes through the command, a few steps long; what a run stops at, starts from and keeps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from inventory_match.domain.errors import InvalidInput
from inventory_match.learning.network import normalisation
from inventory_match.learning.preset import Network
from inventory_match.learning.run import TrainingRun
from inventory_match.learning.sources import read_sources
from inventory_match.vision.assembly import assemble
from inventory_match.vision.weights import read_record

from .small_run import ARCH, BASE, COLOURS, PRESET, changed, run, write_photos


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    write_photos(tmp_path, 9)
    (tmp_path / "small.toml").write_text(PRESET)
    return tmp_path / "small.toml"


WAYS = {
    "triplets": ("--set", "loss.terms.triplet=1", "--set", "each=4"),
    "mixed pictures": ("--set", "loss.mix=0.9"),
    "another encoder's opinion": ("--set", "loss.terms.mse=1", "--set", "loss.teacher={teacher}"),
    "16 bits": ("--set", "bf16=true"),
    "without labels as well": ("--unlabelled", "{folder}"),
}


@pytest.mark.parametrize("way", list(WAYS))
def test_a_way_to_train_goes_through_the_command(preset: Path, way: str) -> None:
    """Each moves the loss, hence the weights, away from those of a plain run."""
    teacher = assemble(preset.parent / "teacher.safetensors", ARCH, weights=None, dim=12).path
    words = [word.format(teacher=teacher, folder=preset.parent) for word in WAYS[way]]
    losses = []
    for name, more in (("plain", []), ("other", words)):
        done = run(preset, f"{name}.safetensors", "--epochs", "1", *more)
        assert done.exit_code == 0, done.output
        losses.append(json.loads((preset.parent / f"{name}.run" / "run.json").read_text())["epochs"][0]["loss"])
    assert losses[0] != losses[1]


def test_photos_alone_are_enough(preset: Path) -> None:
    """No source at all: self-supervised."""
    preset.write_text(PRESET.partition("[[source]]")[0] + "[loss]\nterms = { nt_xent = 1.0 }\n")
    done = run(preset, "alone.safetensors", "--unlabelled", str(preset.parent), "--epochs", "1")
    assert done.exit_code == 0, done.output
    assert read_record(preset.parent / "alone.safetensors").dim == 16


def test_a_run_that_no_longer_gets_better_ends_and_leaves_its_best(preset: Path) -> None:
    """A rate of nearly nothing: no epoch is better than the first, and the run is finished, not cut short."""
    slow = ("--set", "patience=2", "--set", "optimizer.rate=1e-12", "--epochs", "9")
    assert run(preset, "tired.safetensors", *slow).exit_code == 0
    said = json.loads((preset.parent / "tired.run" / "run.json").read_text())
    assert len(said["epochs"]) == 3
    first = run(preset, "first.safetensors", *slow[:4], "--set", "patience=1", "--epochs", "9")
    assert first.exit_code == 0
    again = run(preset, "tired.safetensors", *slow)
    assert again.exit_code == 0, again.output


def test_the_moving_average_is_exported_and_soon_leaves_the_start_behind(preset: Path) -> None:
    how = changed(preset.parent, "averaging=0.99", "optimizer.rate=0.01", text=PRESET)
    sources = read_sources(how, [preset.parent])
    photos = [(torch.full((3, 48, 48), 80 * label, dtype=torch.uint8), label) for label in (0, 1, 2) for _ in range(8)]
    running = TrainingRun(how, len(sources.classes), len(photos), device=torch.device("cpu"), workers=0)
    begun = running.network.encoder.head.weight.detach().clone()
    for epoch in range(3):
        running.epoch(epoch, photos)
    now = running.network.encoder.head.weight.detach()
    average = running.averaged.encoder.head.weight.detach()
    assert not torch.equal(average, now)
    assert (average - now).norm() < 0.5 * (begun - now).norm(), "after nine steps the beginning weighs little"


def test_pictures_come_as_the_starting_weights_knew_them(tmp_path: Path) -> None:
    made = assemble(tmp_path / "start.safetensors", ARCH, weights=None, dim=12)
    assert made.path is not None
    of_file = normalisation(Network(arch=ARCH, weights=str(made.path)))
    assert of_file == (made.preprocessing.mean, made.preprocessing.std)
    assert normalisation(Network(arch="resnet18", weights="DEFAULT"))[0] == (0.485, 0.456, 0.406)
    assert normalisation(Network(arch="inception_v3", weights="DEFAULT"))[0] == (0.5, 0.5, 0.5)
    assert normalisation(Network(arch=ARCH, weights=""))[1] == (0.5, 0.5, 0.5)
    assert normalisation(Network(arch=ARCH, weights=str(made.path), mean=(0.1, 0.2, 0.3)))[0] == (0.1, 0.2, 0.3)


def test_what_is_asked_or_left_out_is_not_learned_without_labels_either(tmp_path: Path) -> None:
    write_photos(tmp_path, 20)
    preset = changed(tmp_path, "source.0.hold_out=0.3", f"unlabelled.folder={tmp_path}")
    found = read_sources(preset, [tmp_path], excluded={"leaf"})
    asked = {photo.row.image for photo in found.trials[0].queries}
    unlabelled = {photo.row.image for photo in found.pools[-1].photos}
    assert asked
    assert not unlabelled & asked
    assert {name.partition("-")[0] for name in unlabelled} == set(COLOURS) - {"leaf"}


def test_a_misspelt_product_to_leave_out_is_named(tmp_path: Path) -> None:
    write_photos(tmp_path, 4)
    with pytest.raises(InvalidInput, match="shery: no such sku"):
        read_sources(changed(tmp_path), [tmp_path], excluded={"shery"})


def test_a_validation_set_of_products_left_out_is_none(tmp_path: Path) -> None:
    write_photos(tmp_path, 4)
    (tmp_path / "new.csv").write_text("image,sku\nleaf-0.png,leaf\n")
    text = BASE + "[[validation]]\ncsv = 'new.csv'\nreferences = ['photos.csv']\n"
    assert read_sources(changed(tmp_path, text=text), [tmp_path], excluded={"leaf"}).trials == []


def test_a_search_goes_on_where_it_was_cut_short_and_further(preset: Path) -> None:
    preset.write_text(PRESET + "[search]\n'loss.scale' = [4, 8, 16]\n")
    begun = run(preset, "tried", "--search", "1", "--epochs", "1")
    assert begun.exit_code == 0, begun.output
    folder = preset.parent / "tried"
    first = load_file(folder / "000.safetensors")
    (folder / "001.safetensors").write_bytes(b"half")  # what a killed run may leave
    done = run(preset, "tried", "--search", "3", "--epochs", "1")
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in folder.glob("*.safetensors")) == [f"{n:03}.safetensors" for n in range(3)]
    assert all(torch.equal(one, load_file(folder / "000.safetensors")[key]) for key, one in first.items())
    assert read_record(folder / "001.safetensors").dim == 16
    other = run(preset, "tried", "--search", "3", "--epochs", "2")
    assert other.exit_code != 0
    assert "name another folder" in other.output
