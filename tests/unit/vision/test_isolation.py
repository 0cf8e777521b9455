"""The decoder in its own process: it answers as the one in this process, is told no secrets, and minds its limits."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import ExifTags, Image

from inventory_match.bootstrap import App
from inventory_match.domain.errors import DecoderDied, OutOfTime, PhotoRejected, ServiceUnavailable
from inventory_match.domain.photos import QualityLimits
from inventory_match.ports import Decoded
from inventory_match.settings import DECODE_BYTES_A_PIXEL, Settings
from inventory_match.vision.decoding import Limits
from inventory_match.vision.images import decoder, judged
from inventory_match.vision.isolation import COMMAND, IsolatedDecoder, firmly

from .hostile_files import saved
from .test_images import corners, dated, photo

PYTHON = (sys.executable, "-c")


@pytest.fixture(scope="module")
def isolated() -> Iterator[IsolatedDecoder]:
    made = IsolatedDecoder()
    yield made
    made.close()


@pytest.mark.parametrize("taken", [dated("2026:01:31 23:59:58", "+02:00"), dated("2026:01:31 23:59:58"), Image.Exif()])
def test_it_answers_as_the_decoder_in_this_process(isolated: IsolatedDecoder, taken: Image.Exif) -> None:
    taken[ExifTags.Base.Orientation] = 6
    data = saved(photo(), "JPEG", exif=taken)
    ours, theirs = decoder()(data), isolated(data)
    assert np.array_equal(ours.image, theirs.image)
    assert (ours.quality, ours.taken_at) == (theirs.quality, theirs.taken_at)
    theirs.image[0, 0] = 7  # it is the caller's own


def test_rejections_name_the_same_causes_and_keep_the_child(isolated: IsolatedDecoder) -> None:
    isolated(saved(corners(), "PNG"))
    child = isolated.pid
    with pytest.raises(PhotoRejected, match=r"^damaged PNG: "):
        isolated(saved(photo(), "PNG")[:3000])
    with pytest.raises(PhotoRejected, match="too dark: brightness 3"):
        judged(isolated, QualityLimits())(saved(Image.new("RGB", (64, 64), (3, 3, 3)), "PNG"))
    assert isolated.pid == child


def test_one_child_decodes_for_cameras_and_for_the_catalog(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # without the settings of whoever runs the tests
    app = App(Settings(photo_max_pixels=2000, decode_seconds=7))
    for decode in (app.decoder, app.reference_decoder):
        assert decode(saved(corners(), "PNG")).image.shape == (32, 48, 3)
        with pytest.raises(PhotoRejected, match="more than the 2000 px accepted"):
            decode(saved(corners(64, 64), "PNG"))
    child = psutil.Process(app.isolated_decoder.pid)
    assert child.ppid() == os.getpid()
    assert '"seconds": 7.0' in child.cmdline()[-1]
    with pytest.raises(PhotoRejected, match="too dark"):
        app.decoder(saved(Image.new("RGB", (20, 20)), "PNG"))
    assert app.reference_decoder(saved(Image.new("RGB", (20, 20)), "PNG")).quality.brightness == 0
    app.isolated_decoder.close()


def test_what_is_no_photo_starts_no_child() -> None:
    idle = IsolatedDecoder(Limits(max_bytes=50))
    with pytest.raises(PhotoRejected, match=r"^PDF is not accepted"):
        idle(b"%PDF")
    with pytest.raises(PhotoRejected, match="are more than the 50 accepted"):
        idle(saved(corners(), "PNG"))
    assert idle.pid is None


def test_the_child_gets_no_secrets_and_no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INVENTORY_MATCH_DATABASE_URL", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD"):
        monkeypatch.setenv(name, "geheim")
    with socket.socket() as open_here:
        open_here.set_inheritable(True)
        decode = IsolatedDecoder()
        decode(saved(corners(), "PNG"))
        child = psutil.Process(decode.pid)
        assert set(child.environ()) <= {"LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH",
                                        "OPENBLAS_NUM_THREADS", "MALLOC_ARENA_MAX"}  # fmt: skip
        assert "geheim" not in str(child.environ())
        kept = Path(f"/proc/{child.pid}/fd")
        if kept.is_dir():  # where the system shows them: two pipes, standard error, and what is printed goes there too
            assert len(list(kept.iterdir())) == 4
        assert child.net_connections() == []
    decode.close()


def test_it_imports_neither_torch_nor_the_database() -> None:
    imported = "import sys, inventory_match.vision.isolation as i, inventory_match.vision.decoding; print(*sys.modules)"
    modules = subprocess.run([*PYTHON, imported], capture_output=True, text=True, check=True).stdout.split()
    assert {"torch", "sqlalchemy", "celery", "boto3", "pydantic"}.isdisjoint(modules)


def test_threads_get_their_own_photos(isolated: IsolatedDecoder) -> None:
    shades = range(0, 250, 10)
    photos = [saved(Image.new("RGB", (40 + shade, 30), (shade,) * 3), "PNG") for shade in shades]
    with ThreadPoolExecutor(4) as pool:
        found: list[Decoded] = list(pool.map(isolated, photos))
    assert [(one.image.shape[1] - 40, int(one.image.max())) for one in found] == [(shade, shade) for shade in shades]


def test_a_child_that_died_between_two_photos_is_replaced_unnoticed() -> None:
    decode = IsolatedDecoder()
    decode(saved(corners(), "PNG"))
    killed = psutil.Process(decode.pid)
    killed.kill()
    killed.wait()
    assert decode(saved(corners(), "PNG")).image.shape == (32, 48, 3)
    decode.close()


def test_the_child_goes_with_its_decoder() -> None:
    decode = IsolatedDecoder()
    decode(saved(corners(), "PNG"))
    child = decode.pid
    assert child is not None
    del decode
    assert not psutil.pid_exists(child)


FORK = """
import os, sys
from inventory_match.vision.isolation import IsolatedDecoder
data = sys.stdin.buffer.read()
decode = IsolatedDecoder()
decode(data)
ours = decode.pid
if os.fork() == 0:
    same = decode(data).image.shape == (32, 48, 3) and decode.pid != ours
    os._exit(0 if same else 7)
forked = os.waitstatus_to_exitcode(os.wait()[1])
print(forked, decode(data).image.shape, decode.pid == ours)
"""


def test_a_fork_has_a_child_of_its_own() -> None:
    run = subprocess.run([*PYTHON, FORK], input=saved(corners(), "PNG"), capture_output=True, check=True)
    assert run.stdout.split() == b"0 (32, 48, 3) True".split(), run.stderr


SAYS = "import os, struct, sys\nos.write(1, b'\\6')\nsys.stdin.buffer.read(9)\n"


@pytest.mark.parametrize(("program", "error", "says"), [
    (SAYS + "raise SystemExit(3)", DecoderDied, "ended with exit code 3"),
    (SAYS + "os.kill(os.getpid(), 40)", DecoderDied, "signal 40"),
    (SAYS + "import time; os.close(1); time.sleep(99)", DecoderDied, "closed its pipe"),
    (SAYS + "os.write(1, struct.pack('>Q', 2) + b'[]')", DecoderDied, "answered nonsense"),
    (SAYS + "os.write(1, b'\\xff' * 70000)", DecoderDied, "answered nonsense"),
    (SAYS + "os.write(1, struct.pack('>Q', 27) + b'{\"shape\": [99999, 9999, 3]}')", DecoderDied, "answered nonsense"),
    (SAYS + "import time; time.sleep(99)", OutOfTime, "longer than 0.5 s"),
], ids=["ends", "nameless signal", "closes", "list", "noise", "too many pixels", "silence"])  # fmt: skip
def test_whatever_the_child_answers_is_one_error(program: str, error: type[Exception], says: str) -> None:
    """A photo that took the child over may answer what it likes."""
    decode = IsolatedDecoder(Limits(seconds=0.5), [*PYTHON, program])
    with pytest.raises(error, match=says):
        decode(saved(corners(), "PNG"))
    assert decode.pid is None


@pytest.mark.parametrize("header", [
    '{"shape": [1e999, 1, 3]}', '{"shape": [1, 1, 3]}', '{"shape": [0, 1, 3], "quality": [9, 9, 9], "taken_at": null}', "{}",
    '{"fault": ""}', '{"fault": 1}', '{"rejected": 1}', "7", "[" * 20000,
    '{"shape": [1, 1, 3], "quality": [9, 9], "taken_at": null}',
    '{"shape": [1, 1, 3], "quality": [9, 9, "x"], "taken_at": null}',
    '{"shape": [1, 1, 3], "quality": [9, 9, NaN], "taken_at": null}',
    '{"shape": [1, 1, 3], "quality": [9, 9, 9], "taken_at": "noon"}',
    '{"shape": [1, 1, 3], "quality": [9, 9, 9], "taken_at": ""}',
])  # fmt: skip
def test_whatever_header_the_child_makes_up_is_one_error_and_its_last(header: str) -> None:
    answers = (
        f"os.write(1, struct.pack('>Q', {len(header)}) + {header.encode()!r} + b'rgb'); import time; time.sleep(99)"
    )
    decode = IsolatedDecoder(command=[*PYTHON, SAYS + answers])
    with pytest.raises(DecoderDied, match="answered nonsense"):
        decode(saved(corners(), "PNG"))
    assert decode.pid is None


@pytest.mark.parametrize(("command", "says"), [
    (["/no-such-program"], "no-such-program"), ([*PYTHON, "raise SystemExit(3)"], "ended with exit code 3"),
    ([*PYTHON, "import time; time.sleep(99)"], "starting the decoder took longer than 10 s"),
])  # fmt: skip
def test_a_decoder_that_does_not_start_is_not_the_pictures_fault(command: list[str], says: str) -> None:
    """And one that hangs at its start is put down while its worker still holds the photo."""
    decode = IsolatedDecoder(Limits(seconds=4), command)
    with pytest.raises(ServiceUnavailable, match=f"could not be started: .*{says}"):
        firmly(decode)(saved(corners(), "PNG"))
    assert decode.pid is None


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing holds the memory limit")
def test_a_user_who_may_have_less_memory_than_the_limit_decodes_within_it() -> None:
    less = ["/bin/sh", "-c", 'ulimit -v 2000000; exec "$@"', "sh", *COMMAND]
    decode = IsolatedDecoder(Limits(max_mib=4096), less)
    assert decode(saved(corners(), "PNG")).image.shape == (32, 48, 3)
    # nothing stops root from going above it, so that an answer alone would not tell
    assert psutil.Process(decode.pid).rlimit(psutil.RLIMIT_AS) == (2_000_000 * 1024,) * 2
    decode.close()


def test_pictures_that_nobody_tries_again_are_tried_twice_and_then_rejected() -> None:
    tries = []

    def dies(data: bytes) -> Decoded:
        tries.append(data)
        raise DecoderDied("it died")

    with pytest.raises(PhotoRejected, match=r"^it died$"):
        firmly(dies)(b"x")
    assert tries == [b"x", b"x"]


def test_a_picture_that_had_bad_luck_once_is_no_worse_for_it() -> None:
    turns = iter([DecoderDied("the machine was short of memory"), None])

    def decode(data: bytes) -> Decoded:
        if (bad_luck := next(turns)) is not None:
            raise bad_luck
        return decoder()(data)

    assert firmly(decode)(saved(corners(), "PNG")).image.shape == (32, 48, 3)


@pytest.mark.parametrize(("mode", "kind", "options"), [
    ("RGB", "JPEG", {"progressive": True, "subsampling": 0}), ("CMYK", "JPEG", {"progressive": True, "subsampling": 0}),
    ("RGBA", "PNG", {"compress_level": 1}), ("LA", "PNG", {"compress_level": 1}), ("P", "PNG", {"transparency": 3}),
    ("I;16", "PNG", {"compress_level": 1}), ("RGBA", "WEBP", {"method": 0}), ("RGBA", "WEBP", {"lossless": True, "method": 0}),
])  # fmt: skip
def test_an_honest_photo_never_meets_the_memory_limit(mode: str, kind: str, options: dict[str, object]) -> None:
    """The largest photo a setting accepts, turned, in each kind of file, with just what `settings` demands for it."""
    size = 2500, 2000
    picture = corners(*size).convert(mode if mode != "I;16" else "L")
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture).astype(np.uint16) << 8)
    elif mode == "RGBA":
        picture.putalpha(Image.linear_gradient("L").resize(size))
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    pixels = size[0] * size[1]
    decode = IsolatedDecoder(Limits(max_pixels=pixels, max_mib=-(-pixels * DECODE_BYTES_A_PIXEL // 2**20)), COMMAND)
    assert decode(saved(picture, kind, exif=turned, **options)).image.shape == (2500, 2000, 3)
    decode.close()
