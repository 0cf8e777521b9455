"""Encoder files and what runs them, on a tiny random trunk: squares of 32 px through a MobileNet, 16 dimensions."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import get_model, inception_v3

from inventory_match.domain.errors import ConfigurationError
from inventory_match.domain.matching import Thresholds
from inventory_match.learning.export import folded
from inventory_match.vision.assembly import assemble
from inventory_match.vision.encoder import TorchEncoder
from inventory_match.vision.network import EmbeddingNetwork, GeM, fold_batch_norms
from inventory_match.vision.preprocessing import preprocess
from inventory_match.vision.weights import (
    EncoderRecord,
    Preprocessing,
    read_record,
    read_tensors,
    shipped_default,
    write,
)

SMALL = Preprocessing(size=32, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def record(**changes: object) -> EncoderRecord:
    made = EncoderRecord(
        "tiny", "mobilenet_v3_small", 16, "cosine", SMALL, "random", "none", "a test", Thresholds(0.61, 0.03)
    )
    return replace(made, **changes)  # type: ignore[arg-type] # any field


def pictures(*sizes: tuple[int, int], seed: int = 0) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    """Patches of random colours: noise would be an even grey by the time it has been shrunk."""
    draw = np.random.default_rng(seed)
    return [
        draw.integers(0, 256, (2, 2, 3), np.uint8).repeat(h // 2 + 1, 0).repeat(w // 2 + 1, 1)[:h, :w] for h, w in sizes
    ]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> EncoderRecord:
    torch.manual_seed(0)
    network = EmbeddingNetwork("mobilenet_v3_small", 16, normalise=True)
    nn.init.zeros_(network.head.bias)
    for layer in network.modules():  # without statistics of its own a random network answers everything alike
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None
    network(torch.from_numpy(preprocess(pictures(*[(32, 32)] * 48, seed=1), SMALL)))
    return write(tmp_path_factory.mktemp("encoder") / "tiny.safetensors", record(), network.state_dict())


def test_a_file_tells_what_was_written(tiny: EncoderRecord) -> None:
    assert tiny.path is not None
    found = read_record(tiny.path, tiny.sha256.upper())
    assert found == record()
    assert (found.sha256, found.path) == (tiny.sha256, tiny.path)
    assert len(found.sha256) == 64


def test_weights_are_halved_and_statistics_are_not(tmp_path: Path) -> None:
    tensors = {
        "head.weight": torch.tensor([1 / 3]),
        "norm.running_var": torch.tensor([1e-9]),
        "steps": torch.tensor([7]),
    }
    back = read_tensors(write(tmp_path / "a.safetensors", record(), tensors))
    assert back["head.weight"].dtype == torch.float32
    assert back["head.weight"].item() == pytest.approx(1 / 3, abs=1e-3)
    assert back["norm.running_var"].item() == pytest.approx(1e-9)
    assert back["steps"].item() == 7
    with pytest.raises(ConfigurationError, match="a 16-bit float cannot"):
        write(tmp_path / "b.safetensors", record(), {"head.weight": torch.tensor([1e9])})


def test_another_file_than_the_one_asked_for(tiny: EncoderRecord) -> None:
    assert tiny.path is not None
    with pytest.raises(
        ConfigurationError, match=rf"{tiny.path}: sha256 is {tiny.sha256}, expected 00ff; fetch it again"
    ):
        read_record(tiny.path, "00ff")


def test_files_that_are_no_encoders_name_the_cure(tmp_path: Path, tiny: EncoderRecord) -> None:
    assert tiny.path is not None
    cut, bare = tmp_path / "cut.safetensors", tmp_path / "bare.safetensors"
    cut.write_bytes(tiny.path.read_bytes()[:-100])
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2)}, bare)
    for path, problem in (
        (tmp_path / "none.safetensors", "cannot be read"),
        (cut, "not a whole safetensors file"),
        (bare, "carries no encoder record"),
    ):
        with pytest.raises(ConfigurationError, match=rf"{path}: .*{problem}.*; fetch it again"):
            read_record(path)


def test_a_record_of_another_version_is_refused() -> None:
    data = json.loads(record().to_json())
    with pytest.raises(TypeError):
        EncoderRecord.from_json(json.dumps(data | {"colour": "blue"}))
    with pytest.raises(ConfigurationError, match="unknown resize mode 'squeeze'"):
        replace(SMALL, resize="squeeze")  # type: ignore[arg-type] # the point
    with pytest.raises(ConfigurationError, match="say how much to crop"):
        replace(SMALL, resize="shorter_side")


def test_a_file_replaced_behind_the_encoders_back_is_noticed(tmp_path: Path, tiny: EncoderRecord) -> None:
    assert tiny.path is not None
    path = tmp_path / "moved.safetensors"
    path.write_bytes(tiny.path.read_bytes())
    encoder = TorchEncoder(read_record(path))
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ConfigurationError, match="changed while in use"):
        encoder.embed(pictures((8, 8)))


def test_weights_of_another_trunk_are_refused(tmp_path: Path) -> None:
    written = write(tmp_path / "odd.safetensors", record(), {"head.weight": torch.zeros(16, 1024)})
    with pytest.raises(ConfigurationError, match="its weights are not those of a mobilenet_v3_small"):
        TorchEncoder(written).embed(pictures((8, 8)))


def test_embeddings_are_unit_rows_of_float32(tiny: EncoderRecord) -> None:
    crops = pictures((40, 30), (7, 90), (1, 1), (64, 64), (33, 32))
    vectors = TorchEncoder(tiny, batch=2).embed(crops)
    assert vectors.dtype == np.float32
    assert vectors.shape == (5, 16)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert TorchEncoder(tiny).embed([]).shape == (0, 16)


def test_neither_batching_nor_neighbours_change_a_vector(tiny: EncoderRecord) -> None:
    crops = pictures((40, 30), (20, 50), (64, 64))
    together = TorchEncoder(tiny, batch=32).embed(crops)
    alone = np.concatenate([TorchEncoder(tiny).embed([crop]) for crop in crops])
    assert together == pytest.approx(alone, abs=1e-5)
    assert np.abs(together[0] - together[1]).max() > 1e-4


def test_views_and_read_only_pixels_are_fine(tiny: EncoderRecord) -> None:
    image = pictures((60, 60))[0]
    image.flags.writeable = False
    assert TorchEncoder(tiny).embed([image]).shape == (1, 16)
    part = image[10:40, 5:35]
    assert TorchEncoder(tiny).embed([part]) == pytest.approx(TorchEncoder(tiny).embed([part.copy()]), abs=1e-6)


def test_euclidean_encoders_keep_their_lengths(tmp_path: Path, tiny: EncoderRecord) -> None:
    far = write(tmp_path / "e.safetensors", record(metric="euclidean"), read_tensors(tiny))
    crops = pictures((40, 30))
    raw = TorchEncoder(far).embed(crops)
    assert raw / np.linalg.norm(raw) == pytest.approx(TorchEncoder(tiny).embed(crops), abs=1e-5)
    assert abs(np.linalg.norm(raw) - 1) > 1e-3


def test_threads_that_come_first_together_load_once(tiny: EncoderRecord) -> None:
    encoder, crops, found = TorchEncoder(tiny), pictures((16, 16)), []
    threads = [
        threading.Thread(target=lambda: found.append((encoder.embed(crops), id(encoder._network)))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({network for _, network in found}) == 1
    assert all(np.array_equal(vectors, found[0][0]) for vectors, _ in found)


@pytest.mark.parametrize(("how", "shape"), [
    (SMALL, (32, 32)), (replace(SMALL, resize="pad"), (32, 32)), (replace(SMALL, resize="shorter_side", crop=24), (24, 24)),
])  # fmt: skip
def test_preprocessing_gives_squares(how: Preprocessing, shape: tuple[int, int]) -> None:
    white = np.full((10, 40, 3), 255, np.uint8)
    batch = preprocess([white, white.transpose(1, 0, 2)], how)
    assert batch.shape == (2, 3, *shape)
    assert batch[:, :, shape[0] // 2, shape[1] // 2].tolist() == [[1.0] * 3] * 2
    if how.resize == "pad":
        assert np.abs(batch[0, :, 0, 0]).max() < 0.01  # the mean colour, which is zero to the network


@pytest.mark.parametrize(("arch", "width"), [
    ("vgg16", 512), ("resnet18", 512), ("resnet50", 2048), ("inception_v3", 2048), ("mobilenet_v2", 1280),
    ("mobilenet_v3_large", 960), ("convnext_tiny", 768), ("efficientnet_b0", 1280), ("googlenet", 1024),
    ("densenet121", 1024), ("shufflenet_v2_x0_5", 1024), ("mnasnet0_5", 1280), ("swin_t", 768),
])  # fmt: skip
def test_trunks_lose_their_classifier_only(arch: str, width: int) -> None:
    """Built without memory or arithmetic (the meta device), since some of them are large."""
    with torch.device("meta"):
        network = EmbeddingNetwork(arch, 256, normalise=True, pool="gem").eval()
        assert network.width == width
        assert network.feature_map(torch.empty(2, 3, 128, 96)).shape[:2] == (2, width)
        assert network(torch.empty(2, 3, 128, 96)).shape == (2, 256)


@pytest.mark.parametrize("arch", ["mobilenet_v2", "resnet18"])
def test_the_feature_map_pooled_is_what_torchvision_classifies(arch: str) -> None:
    """The whole model of torchvision, its last linear layer taken out, is the reference."""
    torch.manual_seed(1)
    model = get_model(arch).eval()
    network = EmbeddingNetwork(arch, 8, normalise=True).eval()
    network.load_torchvision(model.state_dict())
    last = [name for name, layer in model.named_modules() if isinstance(layer, nn.Linear)][-1]
    model.set_submodule(last, nn.Identity())
    with torch.inference_mode():
        crops = torch.rand(1, 3, 64, 64)
        torch.testing.assert_close(network.pooled(network.feature_map(crops)), model(crops))


def test_gem_is_the_average_at_one_and_nears_the_maximum() -> None:
    features = torch.rand(2, 5, 4, 3)
    torch.testing.assert_close(GeM(1.0)(features), features.mean((2, 3), keepdim=True))
    torch.testing.assert_close(
        GeM(400.0)(features.double()).float(), features.amax((2, 3), keepdim=True), atol=0.01, rtol=0
    )


def test_a_mirroring_encoder_cannot_tell_a_crop_from_its_mirror_image(tmp_path: Path, tiny: EncoderRecord) -> None:
    mirroring = write(tmp_path / "mirroring.safetensors", replace(tiny, mirror=True), read_tensors(tiny))
    (crop,) = pictures((40, 60), seed=5)
    for record, alike in ((tiny, False), (mirroring, True)):
        one, other = TorchEncoder(record).embed([crop, np.ascontiguousarray(crop[:, ::-1])])
        assert bool(one @ other > 0.99999) is alike


def test_older_records_average_and_do_not_mirror() -> None:
    old = json.loads(record().to_json())
    del old["pool"], old["mirror"]
    assert EncoderRecord.from_json(json.dumps(old)) == record(pool="average", mirror=False)


def test_what_cannot_be_a_trunk_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="torchvision has no model 'vgg99'; try"):
        EmbeddingNetwork("vgg99", 8, normalise=True)
    with torch.device("meta"), pytest.raises(ConfigurationError, match="does not end in a linear classifier"):
        EmbeddingNetwork("squeezenet1_0", 8, normalise=True)
    with torch.device("meta"), pytest.raises(ConfigurationError, match="'vit_b_32' has no feature map to pool"):
        EmbeddingNetwork("vit_b_32", 8, normalise=True)


def test_assembly_is_repeatable_and_embeds(tmp_path: Path) -> None:
    state = torch.get_rng_state()
    one = assemble(tmp_path / "1.safetensors", "mobilenet_v3_small", weights=None, dim=8, seed=3)
    two = assemble(tmp_path / "2.safetensors", "mobilenet_v3_small", weights=None, dim=8, seed=3)
    other = assemble(tmp_path / "3.safetensors", "mobilenet_v3_small", weights=None, dim=8, seed=4)
    assert one.sha256 == two.sha256 != other.sha256
    assert torch.equal(state, torch.get_rng_state())
    assert TorchEncoder(one).embed(pictures((30, 30))).shape == (1, 8)
    head = read_tensors(one)["head.weight"]
    assert (head @ head.T).numpy() == pytest.approx(np.eye(8), abs=2e-3)
    with pytest.raises(ConfigurationError, match="576 features, too few for 2000"):
        assemble(tmp_path / "4.safetensors", "mobilenet_v3_small", weights=None, dim=2000)


def test_what_torchvision_converts_inside_inception_stands_in_the_record(tmp_path: Path) -> None:
    """A file is served without torchvision's conversion, so the same pixels must come out of the record's own figures."""
    made = assemble(tmp_path / "i.safetensors", "inception_v3", weights=None, dim=8)
    assert (made.preprocessing.size, made.preprocessing.mean) == (299, (0.5, 0.5, 0.5))
    crops = pictures((40, 30))
    as_torchvision = replace(made.preprocessing, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    with torch.device("meta"):
        model = inception_v3(weights=None, init_weights=False, transform_input=True)
    wanted = model._transform_input(torch.from_numpy(preprocess(crops, as_torchvision)))
    assert preprocess(crops, made.preprocessing) == pytest.approx(wanted.numpy(), abs=1e-5)
    assert TorchEncoder(made).embed(crops).shape == (1, 8), "without the side classifier, at 299 px"


def test_folding_the_batch_norm_changes_nothing() -> None:
    torch.manual_seed(0)
    linear, norm = nn.Linear(6, 4), nn.BatchNorm1d(4)
    for _ in range(20):
        norm(linear(3 * torch.randn(50, 6) + 1))
    norm.weight.data.uniform_(0.5, 2)
    norm.bias.data.normal_()
    norm.eval()
    weight, bias = folded(linear, norm)
    batch = torch.randn(9, 6)
    assert (batch @ weight.T + bias).detach().numpy() == pytest.approx(norm(linear(batch)).detach().numpy(), abs=1e-5)


def test_the_shipped_encoder_is_small_and_whole() -> None:
    shipped = shipped_default()
    assert shipped.path is not None
    assert shipped.path.stat().st_size <= 15 * 2**20
    assert shipped.dim <= 256
    assert shipped.metric == "cosine"
    assert shipped.licence
    assert shipped.origin
    red, blue = np.full((50, 40, 3), (200, 20, 20), np.uint8), np.full((50, 40, 3), (20, 20, 200), np.uint8)
    vectors = TorchEncoder(shipped).embed([red, red, blue])
    assert vectors[0] @ vectors[1] == pytest.approx(1, abs=1e-4)
    assert vectors[0] @ vectors[2] < 0.9


@pytest.mark.parametrize("arch", ["mobilenet_v2", "resnet18"])
def test_folding_batch_norms_changes_no_vector(arch: str) -> None:
    torch.manual_seed(3)
    network = EmbeddingNetwork(arch, 16, normalise=True)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2.0)
    network.eval()
    crops = torch.rand(3, 3, 64, 64)
    with torch.inference_mode():
        before = network(crops)
        after = fold_batch_norms(network)(crops)
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-4)
