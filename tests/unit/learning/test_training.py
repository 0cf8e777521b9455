"""Training from preset to encoder file: a tiny network, and pictures drawn here."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import Result
from PIL import Image
from torch import nn
from torchvision.models import get_model

from inventory_match.domain.errors import ConfigurationError, InvalidInput
from inventory_match.learning.augment import ToFloats, plain_view, training_view
from inventory_match.learning.data import Epoch, PhotosInMemory, load
from inventory_match.learning.detection.preset import DetectorPreset
from inventory_match.learning.export import record_of
from inventory_match.learning.judging import first_of_each
from inventory_match.learning.labelled import read_labelled
from inventory_match.learning.network import freeze, normalisation, starting_encoder
from inventory_match.learning.preset import Augment, Network
from inventory_match.learning.preset_file import (
    preset_path,
    read_preset,
    read_strictly,
    shipped_presets,
    stretched,
    task_of,
)
from inventory_match.learning.run import TrainingRun
from inventory_match.learning.sources import epoch_plan, read_sources
from inventory_match.vision.encoder import TorchEncoder
from inventory_match.vision.network import EmbeddingNetwork
from inventory_match.vision.preprocessing import preprocess
from inventory_match.vision.weights import read_record, read_tensors, shipped_default

from .small_run import ARCH, BASE, COLOURS, PRESET, arguments, changed, run, write_photos


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small preset beside its photos: 3 products, 9 of each."""
    folder = tmp_path_factory.mktemp("run")
    write_photos(folder, 9)
    (folder / "small.toml").write_text(PRESET)
    return folder / "small.toml"


@pytest.fixture(scope="module")
def undisturbed(preset: Path) -> Result:
    """Wrote whole.safetensors."""
    return run(preset, "whole.safetensors", "--name", "tiny", "--set", "about.licence=none")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_run_killed_in_the_middle_goes_on_to_the_same_file(preset: Path, undisturbed: Result) -> None:
    """kill -9 after the first checkpoint; what it ends with is bit by bit the file of a run nobody disturbed."""
    same = ("--name", "tiny", "--set", "about.licence=none", "--workers", "0")  # other workers, too
    command = [sys.executable, "-m", "inventory_match", "train", *arguments(preset, "killed.safetensors", *same)]
    folder = preset.parent
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 150
        while not (folder / "killed.run" / "checkpoint.pt").exists():
            assert process.poll() is None, "it ended without a checkpoint"
            assert time.monotonic() < until
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    done = json.loads((folder / "killed.run" / "run.json").read_text())
    assert "finished" not in done
    assert run(preset, "killed.safetensors", *same).exit_code == 1, "an unfinished run is not thrown away unasked"
    resumed = run(preset, "killed.safetensors", "--resume", *same)
    assert resumed.exit_code == 0, resumed.output
    assert "going on after epoch" in resumed.output
    assert undisturbed.exit_code == 0, undisturbed.output
    assert digest(folder / "killed.safetensors") == digest(folder / "whole.safetensors")
    refused = run(preset, "killed.safetensors", "--resume", "--seed", "8", *same)
    assert refused.exit_code == 1
    assert "other settings or photos" in refused.output


def test_a_run_writes_an_encoder_and_says_how_it_went(preset: Path, undisturbed: Result) -> None:
    folder = preset.parent
    assert undisturbed.exit_code == 0, undisturbed.output
    assert "epoch 3/3 at 48 px: loss" in undisturbed.output
    record = read_record(folder / "whole.safetensors")
    assert (record.name, record.dim, record.licence) == ("tiny", 16, "none")
    assert TorchEncoder(record).embed([np.zeros((30, 20, 3), np.uint8)]).shape == (1, 16)
    said = json.loads((folder / "whole.run" / "run.json").read_text())
    assert said["finished"]
    assert said["seed"] == 7
    assert said["versions"]["torch"] == torch.__version__
    assert said["parameters"]["moved"] == said["parameters"]["of"] > 1000
    assert said["data"][str(folder / "sea-3.png")] == digest(folder / "sea-3.png")
    assert [epoch["size"] for epoch in said["epochs"]] == [32, 32, 48]
    assert 0 <= said["figures"]["photos.csv, held out"] <= 1
    asked, known = (
        read_labelled(folder / "whole.run" / "judged-by" / f"photos-{of}.csv") for of in ("queries", "references")
    )
    pictures = [{one.folder / one.row.image for one in photos} for photos in (asked, known)]
    assert all(pictures)
    assert pictures[0].isdisjoint(pictures[1])
    assert pictures[0] | pictures[1] == set(folder.glob("*-*.png"))
    assert {one.folder / one.row.image for one in read_labelled(folder / "whole.run" / "learned.csv")} == pictures[1]
    with Image.open(folder / "whole.run" / "curves.png") as curves:
        assert curves.size[0] > 500
    assert list((folder / "whole.run" / "tensorboard").iterdir())
    onward = run(preset, "onward.safetensors", "--weights", str(folder / "whole.safetensors"), "--epochs", "1")
    assert onward.exit_code == 0, onward.output


def test_every_mistake_in_a_preset_is_told_with_its_key(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text(f"{BASE}[loss]\nscal = 16\n[network]\nmode = 'last'\n", encoding="utf-8")
    with pytest.raises(InvalidInput) as told:
        read_preset(tmp_path / "wrong.toml")
    assert "wrong.toml" in str(told.value)
    assert "loss.scal (line 7): there is no such key" in str(told.value)
    assert "network.mode (line 9): say full, head, norms, last:N or from:N" in str(told.value)
    for change, said in {
        "loss.scale": "sets nothing",
        "source.3.csv=x": "no such place",
        "batch=many": "batch: Input should be a valid integer",
        "loss.teacher=t.safetensors": "loss.teacher and the term mse go together",
        "source=[]": "nothing to learn from",
        "each=5": "not a multiple of each",
        'validation=[{csv="v.csv",references=["w.csv"]}]': "names w.csv, which no source does",
    }.items():
        with pytest.raises(InvalidInput, match=said):
            changed(tmp_path, change)
    with pytest.raises(InvalidInput, match="one of detector, products, quick, selfsupervised"):
        preset_path("nonesuch")


def test_flags_change_values_and_stretch_the_course(tmp_path: Path) -> None:
    one = changed(tmp_path, "loss.scale=20", "source.0.per_class=3", "network.arch=resnet18", "loss.terms.triplet=0.5")
    assert (one.loss.scale, one.source[0].per_class, one.network.arch) == (20, 3, "resnet18")
    assert one.loss.terms == {"triplet": 0.5}
    stages = "[{epochs=12, size=128}, {epochs=7, size=160}, {epochs=5, size=192}]"
    course = changed(tmp_path, f"stage={stages}")
    assert [(stage.epochs, stage.size) for stage in stretched(course, 12).stage] == [(6, 128), (4, 160), (2, 192)]
    assert [stage.size for stage in stretched(course, 2).stage] == [160, 192]
    assert [course.size_at(epoch) for epoch in (0, 11, 12, 23)] == [128, 128, 160, 192]


def test_the_shipped_presets_are_whole() -> None:
    assert shipped_presets() == ["detector", "products", "quick", "selfsupervised"]
    assert read_preset(preset_path("quick")).search
    unlabelled = read_preset(preset_path("selfsupervised"), values={"unlabelled.folder": "photos"})
    assert unlabelled.loss.terms == {"nt_xent": 1.0}
    assert task_of(preset_path("quick")) == "encoder"
    assert task_of(preset_path("detector")) == "detector"
    assert read_strictly(preset_path("detector"), DetectorPreset).rendered


def test_no_photo_is_on_both_sides_and_excluded_products_on_neither(tmp_path: Path) -> None:
    table = write_photos(tmp_path, 20)
    with table.open("a") as file:  # a second product on the same photos
        file.writelines(f"sea-{number}.png,shell\n" for number in range(20))
    preset = changed(tmp_path, "source.0.hold_out=0.3")
    found = read_sources(preset, [tmp_path], excluded={"leaf"})
    learned = {photo.row.image for photo in found.pools[0].photos}
    asked = {photo.row.image for photo in found.trials[0].queries}
    assert not learned & asked
    assert len(learned | asked) == 40
    assert 4 <= len(asked) <= 20
    assert found.classes == ["cherry", "sea", "shell"]
    again = read_sources(preset, [tmp_path], excluded={"leaf"})
    assert {photo.row.image for photo in again.trials[0].queries} == asked


def test_an_epoch_draws_as_its_sources_say(tmp_path: Path) -> None:
    write_photos(tmp_path, 6)
    more = "[[source]]\ncsv = 'photos.csv'\nper_epoch = 4\nrepeat = 2\n"
    found = read_sources(changed(tmp_path, "source.0.per_class=2", text=BASE + more), [tmp_path])
    plans = [epoch_plan(found, 7, epoch) for epoch in (0, 0, 1)]
    assert plans[0] == plans[1] != plans[2]
    for plan in plans:
        skus = [found.pools[pool].photos[photo].sku for pool, photo in plan if pool == 0]
        assert sorted(skus) == sorted([*COLOURS] * 2)
        drawn = [photo for pool, photo in plan if pool == 1]
        assert len(drawn) == 8
        assert len(set(drawn)) == 4


def test_a_missing_source_says_how_it_is_made(tmp_path: Path) -> None:
    preset = changed(tmp_path, "source.0.made_by=make packs")
    with pytest.raises(InvalidInput, match=r"photos\.csv: is not there.*make it with `make packs`, or name its folder"):
        read_sources(preset, [tmp_path])


@pytest.mark.parametrize("mode", ["full", "head", "norms", "last:2", "from:3"])
def test_modes_move_exactly_what_they_say(tmp_path: Path, mode: str) -> None:
    """A step is taken, and every tensor that is not the mode's is bit by bit what it was, running statistics too."""
    preset = changed(
        tmp_path, f"network.mode={mode}", "network.arch=mobilenet_v3_small", "network.weights=", "network.dim=8",
        "batch=4", "optimizer.name=sgd", "optimizer.rate=0.1",
    )  # fmt: skip
    course = TrainingRun(preset, 2, 4, device=torch.device("cpu"), workers=0)
    before = {name: tensor.clone() for name, tensor in course.network.encoder.state_dict().items()}
    torch.manual_seed(1)
    photos = [(torch.randint(0, 256, (3, 40, 40), dtype=torch.uint8), number % 2) for number in range(4)]
    course.epoch(0, photos)
    after = course.network.encoder.state_dict()
    moved = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    blocks = {int(name.split(".")[2]) for name in moved if name.startswith("trunk.features.")}
    wanted = {
        "full": set(range(13)),
        "head": set(),
        "norms": set(range(13)),
        "last:2": {11, 12},
        "from:3": set(range(3, 13)),
    }
    assert blocks == wanted[mode]
    assert {"head.weight", "head.bias"} <= moved
    moving, whole = course.network.moving()
    assert (moving == whole) == (mode == "full")
    if mode == "norms":
        convolutions = {
            f"{name}.weight" for name, layer in course.network.encoder.named_modules() if isinstance(layer, nn.Conv2d)
        }
        assert not moved & convolutions
    if mode == "head":
        assert moving == (576 + 1) * 8 + 2 * 8


def test_a_mode_that_does_not_fit_is_refused() -> None:
    encoder = EmbeddingNetwork("mobilenet_v3_small", 8, normalise=False)
    with pytest.raises(ConfigurationError, match="mode from:99 does not fit: the trunk has 13 blocks"):
        freeze(encoder, "from:99")


def test_what_training_sees_is_what_serving_sees(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 45, 3), dtype=np.uint8)
    preset = changed(tmp_path, "network.size=32", "network.mean=[0.4, 0.5, 0.6]", "network.std=[0.2, 0.3, 0.5]")
    how = record_of(preset, EmbeddingNetwork("mobilenet_v3_small", 8, normalise=False)).preprocessing
    to_floats = ToFloats(*normalisation(preset.network), torch.device("cpu"))
    trained = to_floats(plain_view(32)(torch.from_numpy(pixels).permute(2, 0, 1))[None])
    assert trained.numpy() == pytest.approx(preprocess([pixels], how), abs=1e-5)


def test_views_vary_and_hang_on_seed_epoch_and_place() -> None:
    photos = [(torch.randint(0, 256, (3, 60, 45), dtype=torch.uint8), 1)] * 2
    views = [Epoch(photos, training_view(32, Augment()), seed=7, epoch=epoch, views=2)[place][0] for epoch, place in
             [(0, 0), (0, 0), (0, 1), (1, 0)]]  # fmt: skip
    assert {view.shape for view in views} == {(2, 3, 32, 32)}
    assert torch.equal(views[0], views[1])
    assert not torch.equal(views[0], views[2])
    assert not torch.equal(views[0], views[3])
    assert not torch.equal(views[0][0], views[0][1])


def test_starting_points_are_files_names_or_chance(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(get_model(ARCH, num_classes=7).half().state_dict(), tmp_path / "start.pth")
    how = Network(arch=ARCH, dim=8, weights=str(tmp_path / "start.pth"))
    one, two = (starting_encoder(how).state_dict() for _ in range(2))
    assert torch.equal(one["trunk.conv1.0.weight"], two["trunk.conv1.0.weight"])
    assert not torch.equal(one["head.weight"], two["head.weight"])
    with pytest.raises(ConfigurationError, match="not those of a resnet18"):
        starting_encoder(how.model_copy(update={"arch": "resnet18"}))
    with pytest.raises(ConfigurationError, match="not among torchvision's of shufflenet_v2_x0_5: IMAGENET1K_V1"):
        starting_encoder(how.model_copy(update={"weights": "IMAGENET9K"}))
    with pytest.raises(ConfigurationError, match=r"gone\.pth are not there"):
        starting_encoder(how.model_copy(update={"weights": "gone.pth"}))
    shipped = starting_encoder(Network(weights="shipped"))
    assert torch.equal(shipped.head.weight, read_tensors(shipped_default())["head.weight"])


def test_boxes_cut_and_large_photos_shrink(tmp_path: Path) -> None:
    image = Image.new("RGB", (400, 300), "black")
    image.paste("white", (100, 50, 300, 250))
    image.save(tmp_path / "a.png")
    (tmp_path / "a.csv").write_text("image,sku,x0,y0,x1,y1\na.png,one,100.0,50.2,300.0,249.8\na.png,one,,,,\n")
    cut, whole = read_labelled(tmp_path / "a.csv")
    assert load(cut, 64).shape == (3, 64, 64)
    assert load(cut, 64).min() == 255
    around = load(cut, 500, margin=0.1)
    assert around.shape == (3, 240, 240)
    assert around[:, 25:215, 25:215].min() == 255
    assert load(whole, 64).shape == (3, 64, 85)
    assert load(whole, 500).shape == (3, 300, 400)


def test_products_outside_the_classes_are_never_right(tmp_path: Path) -> None:
    photos = PhotosInMemory(read_labelled(write_photos(tmp_path, 2)), plain_view(32), classes=["cherry"])
    assert photos.labels == [0, 0, -1, -1, -1, -1]
    assert photos.seen(plain_view(16))[3][0].shape == (3, 16, 16)
    assert first_of_each(photos.labels, 1) == [0, 2]
    assert first_of_each(photos.labels, None) == [0, 1, 2, 3, 4, 5]
