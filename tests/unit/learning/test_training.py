"""Training from CSV to encoder file, on a tiny network and pictures drawn here."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from inventory_match.learning.augment import plain_view, to_floats, training_view
from inventory_match.learning.data import PhotosInMemory, load
from inventory_match.learning.labelled import read_labelled
from inventory_match.learning.network import starting_point
from inventory_match.learning.recipe import Recipe
from inventory_match.learning.run import TrainingRun
from inventory_match.learning.train import main, record_of
from inventory_match.vision.encoder import TorchEncoder, preprocess
from inventory_match.vision.weights import read_record

ARCH = "shufflenet_v2_x0_5"
COLOURS = {"cherry": (200, 30, 40), "leaf": (40, 170, 50), "sea": (30, 60, 190)}


def write_photos(folder: Path, each: int, skus: Sequence[str] = tuple(COLOURS)) -> Path:
    """A CSV of `each` pictures a sku: its colour with a random mark."""
    draw = np.random.default_rng(3)
    table = folder / "photos.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("image", "sku"))
        for sku in skus:
            for number in range(each):
                image = Image.new("RGB", (48, 40), COLOURS[sku])
                x, y = (int(v) for v in draw.integers(0, 30, 2))
                image.paste((250, 250, 250), (x, y, x + 8, y + 8))
                image.save(folder / f"{sku}-{number}.png")
                rows.writerow((f"{sku}-{number}.png", sku))
    return table


def test_training_writes_an_encoder_and_goes_on_from_it(tmp_path: Path) -> None:
    table, out = write_photos(tmp_path, 8), tmp_path / "tiny.safetensors"
    arguments = ["--train", table, "--val", table, "--arch", ARCH, "--size", "32", "--epochs", "1", "--threads", "1"]
    done = CliRunner().invoke(
        main, [*map(str, arguments), "--out", str(out), "--origin", "random", "--licence", "none"]
    )
    assert done.exit_code == 0, done.output
    assert "24 photos of 3 products" in done.output
    assert "epoch 1/1 at 32 px" in done.output
    assert re.search(r"val top-1, nearest neighbour among the photos of photos\.csv: \d+\.\d %", done.output)
    record = read_record(out)
    assert (record.name, record.dim, record.origin) == ("tiny", 256, "random")
    crops = [np.asarray(Image.open(tmp_path / f"{sku}-0.png")) for sku in COLOURS]
    assert TorchEncoder(record).embed(crops).shape == (3, 256)
    again = CliRunner().invoke(
        main, [*map(str, arguments), "--out", str(tmp_path / "b.safetensors"), "--weights", str(out)]
    )
    assert again.exit_code == 0, again.output


def test_learning_lowers_the_loss(tmp_path: Path) -> None:
    torch.manual_seed(0)
    photos = PhotosInMemory(read_labelled(write_photos(tmp_path, 16)), training_view(32))
    recipe = Recipe(arch=ARCH, dim=16, size=32, epochs=8, batch=8, rate=2e-4)
    run = TrainingRun(recipe, starting_point(recipe, None, 3), photos)
    losses = [run.epoch(number) for number in range(recipe.epochs)]
    assert losses[-1] < 0.8 * losses[0], losses


def test_what_training_sees_is_what_serving_sees() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 45, 3), dtype=np.uint8)
    assert Recipe(size=32).served == 32
    how = record_of(Recipe(size=16, serve_size=32), name="", origin="", licence="").preprocessing
    trained = to_floats(plain_view(32)(torch.from_numpy(pixels).permute(2, 0, 1))[None])
    assert trained.numpy() == pytest.approx(preprocess([pixels], how).numpy(), abs=1e-6)


def test_augmentation_varies_and_hangs_on_the_seed() -> None:
    pixels = torch.randint(0, 256, (3, 60, 45), dtype=torch.uint8)
    views = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        views.append(training_view(32)(pixels))
    assert {view.shape for view in views} == {(3, 32, 32)}
    assert torch.equal(views[0], views[1])
    assert not torch.equal(views[0], views[2])


def test_rates_and_sizes_over_a_run() -> None:
    recipe = Recipe(epochs=8, size=192)
    assert [recipe.size_at(epoch) for epoch in range(8)] == [128] * 4 + [160] * 2 + [192] * 2
    rates = [recipe.rate_at(step / 100) for step in range(101)]
    assert rates[0] == pytest.approx(0.05)
    assert max(rates) == pytest.approx(1, abs=0.01)
    assert rates[-1] == pytest.approx(0.01)
    assert all(0 < Recipe(epochs=1).rate_at(step / 10) <= 1 for step in range(11))


def test_a_torchvision_state_dict_is_a_starting_point(tmp_path: Path) -> None:
    from torchvision.models import shufflenet_v2_x0_5

    torch.manual_seed(0)
    torch.save(shufflenet_v2_x0_5(num_classes=7).half().state_dict(), tmp_path / "start.pth")
    recipe = Recipe(arch=ARCH, dim=8)
    one, two = (starting_point(recipe, tmp_path / "start.pth", 3) for _ in range(2))
    name = "conv1.0.weight"
    assert torch.equal(one.encoder.trunk.state_dict()[name], two.encoder.trunk.state_dict()[name])
    assert not torch.equal(one.prototypes, two.prototypes)


def test_boxes_cut_and_large_photos_shrink(tmp_path: Path) -> None:
    image = Image.new("RGB", (400, 300), "black")
    image.paste("white", (100, 50, 300, 250))
    image.save(tmp_path / "a.png")
    (tmp_path / "a.csv").write_text("image,sku,x0,y0,x1,y1\na.png,one,100.0,50.2,300.0,249.8\na.png,one,,,,\n")
    cut, whole = read_labelled(tmp_path / "a.csv")
    assert load(cut, 64).shape == (3, 64, 64)
    assert load(cut, 64).min() == 255
    assert load(whole, 64).shape == (3, 64, 85)
    assert load(whole, 500).shape == (3, 300, 400)


def test_products_outside_the_classes_are_never_right(tmp_path: Path) -> None:
    photos = PhotosInMemory(read_labelled(write_photos(tmp_path, 1)), plain_view(32), classes=["cherry"])
    assert [label for _, label in (photos[index] for index in range(3))] == [0, -1, -1]
