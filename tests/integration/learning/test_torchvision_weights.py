"""torchvision's own download of weights, from a server on loopback instead of its own: by name, checked, kept, and told when
it fails. Only the address in torchvision's table of weights is another; everything else is the way a person's download takes.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torchvision.models import ShuffleNet_V2_X0_5_Weights, get_model

from inventory_match.cli import main
from inventory_match.vision.weights import read_record, read_tensors

ARCH = "shufflenet_v2_x0_5"
STEM = "trunk.conv1.0.weight"


@dataclass
class Download:
    """What the server gives (`body`, or 404 where there is none), what it was asked for, and where torch keeps it."""

    weights: dict[str, torch.Tensor]
    body: bytes | None
    address: str
    kept: Path
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Download]:
    """Random weights under a name as torchvision's are: it ends with the beginning of the file's sha256."""
    torch.manual_seed(5)
    weights, written = get_model(ARCH).state_dict(), io.BytesIO()
    torch.save(weights, written)
    name = f"shufflenet-{hashlib.sha256(written.getvalue()).hexdigest()[:10]}.pth"
    given = Download(weights, written.getvalue(), "", tmp_path / "torch" / "hub" / "checkpoints" / name)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given.asked.append(self.path)
            if given.body is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(given.body)))
            self.end_headers()
            self.wfile.write(given.body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        given.address = f"http://127.0.0.1:{server.server_address[1]}/models/{name}"
        monkeypatch.setattr(ShuffleNet_V2_X0_5_Weights.DEFAULT.value, "url", given.address)
        monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield given
        server.shutdown()
        thread.join()


def typed(*words: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result.output


def assembled(folder: Path, code: int = 0) -> str:
    return typed("encoders", "assemble", ARCH, "--dim", "8", "--out", folder / "made.safetensors", code=code)


def is_in(path: Path, weights: dict[str, torch.Tensor]) -> bool:
    """Whether the encoder file has these weights in its trunk, but for 16 bits."""
    return torch.equal(read_tensors(read_record(path))[STEM], weights["conv1.0.weight"].half().float())


def test_assemble_downloads_weights_by_their_name_once(download: Download, tmp_path: Path) -> None:
    assembled(tmp_path)
    first = read_record(tmp_path / "made.safetensors")
    assert first.origin == f"torchvision {ARCH} DEFAULT"
    assert is_in(tmp_path / "made.safetensors", download.weights)
    assembled(tmp_path)
    assert read_record(tmp_path / "made.safetensors").sha256 == first.sha256
    assert download.asked == [f"/models/{download.kept.name}"], "the second time it was there"
    refused = typed("encoders", "assemble", ARCH, "--weights", "V9", "--out", tmp_path / "no.safetensors", code=1)
    assert f"weights 'V9' are not among torchvision's of {ARCH}: IMAGENET1K_V1, DEFAULT" in refused


def test_training_starts_from_downloaded_weights(download: Download, tmp_path: Path) -> None:
    """Only the head moves, so the file that is written still has the trunk that was downloaded."""
    lines = ["image,sku"]
    for number, colour in enumerate(["red", "blue"] * 2):
        Image.new("RGB", (40, 40), colour).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{colour}")
    (tmp_path / "photos.csv").write_text("\n".join(lines) + "\n")
    network = f"[network]\narch = '{ARCH}'\nweights = 'DEFAULT'\ndim = 4\nsize = 32\nmode = 'head'\n"
    rest = "[[stage]]\nepochs = 1\nsize = 32\n[[source]]\ncsv = 'photos.csv'\n"
    (tmp_path / "small.toml").write_text(f"batch = 4\n{network}{rest}")
    out = tmp_path / "trained.safetensors"
    alone = ("--device", "cpu", "--threads", "1", "--workers", "0")
    typed("train", tmp_path / "small.toml", "--data", tmp_path, "--out", out, *alone)
    assert download.asked == [f"/models/{download.kept.name}"]
    assert is_in(out, download.weights)


def test_a_download_that_fails_says_what_to_do_and_doing_it_helps(download: Download, tmp_path: Path) -> None:
    whole, download.body = download.body, None
    assert whole is not None
    said = assembled(tmp_path, code=1)
    assert f"the weights DEFAULT of {ARCH} could not be downloaded: HTTP Error 404" in said
    assert f"fetch {download.address} by other means and lay it down as {download.kept}" in said

    download.body = whole[:-1000]
    said = assembled(tmp_path, code=1)
    assert "are damaged: invalid hash value" in said
    assert not list(download.kept.parent.iterdir()), "nothing damaged is kept"

    download.kept.write_bytes(whole[:-1000])
    said = assembled(tmp_path, code=1)
    assert f"remove {download.kept} if it is there, and let {download.address} be fetched again" in said

    download.kept.write_bytes(whole)
    download.asked.clear()
    assembled(tmp_path)
    assert not download.asked
    assert is_in(tmp_path / "made.safetensors", download.weights)


def test_a_server_that_is_not_there_is_told_too(
    download: Download, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ShuffleNet_V2_X0_5_Weights.DEFAULT.value, "url", f"http://127.0.0.1:1/{download.kept.name}")
    assert "could not be downloaded: <urlopen error [Errno 111] Connection refused>" in assembled(tmp_path, code=1)


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_file_laid_down_for_a_download_runs_no_code(download: Download, tmp_path: Path) -> None:
    """torchvision itself would unpickle whatever has the right name."""
    download.kept.parent.mkdir(parents=True, exist_ok=True)
    download.kept.write_bytes(pickle.dumps(Trap(tmp_path / "sprung"), protocol=2))
    assert "are damaged: Weights only load failed" in assembled(tmp_path, code=1)
    assert not (tmp_path / "sprung").exists()
