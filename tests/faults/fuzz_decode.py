"""Fuzzes the decoder in this process: `python tests/faults/fuzz_decode.py --seconds 600`. Not collected by pytest.

A finding is any exception but PhotoRejected, a photo that takes longer than `SECONDS_EACH`, or memory over `RSS_MIB`; libFuzzer
then writes the photo beside `--findings` and ends with its report. Guided by the coverage of our Python and Pillow's (its C
parsers are not instrumented). PNG checksums are mended after each mutation, or nothing behind them would ever be reached.
Seeds are drawn at the start, so nothing is kept in the repository. Where atheris has no wheel, plain mutation takes its place.
"""

from __future__ import annotations

import argparse
import random
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import ModuleType

SECONDS_EACH = 10
RSS_MIB = 1024
LONGEST = 2**16
PNG = b"\x89PNG\r\n\x1a\n"


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def atheris_if_installed() -> ModuleType | None:
    try:
        import atheris
    except ImportError:
        return None
    return atheris  # type: ignore[no-any-return]


def target() -> Callable[[bytes], None]:
    """What is fuzzed, imported only now so that it can be instrumented."""
    from inventory_match.domain.errors import PhotoRejected
    from inventory_match.domain.photos import QualityLimits
    from inventory_match.vision.images import decoder

    decode = decoder(max_bytes=2**20, max_pixels=1_000_000, limits=QualityLimits())

    def one(data: bytes) -> None:
        try:
            image = decode(data).image
        except PhotoRejected:
            return
        height, width, channels = image.shape
        good = channels == 3 and height * width > 0 and image.dtype.name == "uint8"
        assert good, f"{image.shape} {image.dtype}"

    return one


def seeds() -> list[bytes]:
    """A small picture in every way the accepted formats can hold it."""
    import numpy as np
    from PIL import Image

    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8))
    exif = Image.Exif()
    exif[271], exif[274] = "camera", 6
    exif.get_ifd(0x8769)[36867] = "2026:01:31 23:59:58"
    wide = Image.fromarray((np.asarray(picture.convert("L")).astype(np.uint16)) << 8)
    more: dict[str, object] = {"exif": exif, "icc_profile": b"\0" * 40 + b"acsp" + b"\0" * 90}
    ways: list[tuple[Image.Image, str, dict[str, object]]] = [
        (picture, "JPEG", more), (picture, "JPEG", {"progressive": True}), (picture.convert("CMYK"), "JPEG", {}),
        (picture.convert("L"), "JPEG", {"comment": "hello", "dpi": (300, 300)}), (picture, "PNG", more),
        (picture.convert("P"), "PNG", {"transparency": 3}), (picture.convert("LA"), "PNG", {}), (wide, "PNG", {}),
        (picture.convert("1"), "PNG", {}), (picture, "PNG", {"save_all": True, "append_images": [picture]}),
        (picture, "WEBP", more), (picture.convert("RGBA"), "WEBP", {"lossless": True}),
        (picture, "WEBP", {"save_all": True, "append_images": [picture.rotate(180)]}),
    ]  # fmt: skip
    found = []
    for image, kind, options in ways:
        file = BytesIO()
        image.save(file, kind, **options)
        found.append(file.getvalue())
    return found


def drawn_elsewhere() -> Path:
    """A folder with the seeds, drawn by another process: Pillow must not be imported here before it is instrumented."""
    corpus = Path(tempfile.mkdtemp(prefix="corpus-"))
    code = (
        "import fuzz_decode, pathlib, sys\n"
        "for i, seed in enumerate(fuzz_decode.seeds()): pathlib.Path(sys.argv[1], str(i)).write_bytes(seed)"
    )
    subprocess.run([sys.executable, "-c", code, str(corpus)], check=True, cwd=Path(__file__).parent)
    return corpus


def mended(data: bytes) -> bytes:
    """A PNG with the checksums its chunks should have; anything else as it is."""
    if not data.startswith(PNG):
        return data
    parts, at = [PNG], len(PNG)
    while at + 8 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        body = data[at + 4 : at + 8 + length]
        parts += [data[at : at + 4], body, struct.pack(">I", zlib.crc32(body))]
        at += 12 + length
    return b"".join(parts)


def fuzz_by_coverage(atheris: ModuleType, corpus: Path, findings: Path, seconds: int) -> None:
    with atheris.instrument_imports(include=["inventory_match.vision", "PIL"]):
        one = target()

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        del seed
        return mended(atheris.Mutate(data, most))[:most]

    options = [
        f"-max_total_time={seconds}", f"-timeout={SECONDS_EACH}", f"-rss_limit_mb={RSS_MIB}", f"-max_len={LONGEST}",
        f"-artifact_prefix={findings}/", "-print_final_stats=1",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(corpus)], one, custom_mutator=mutate)
    atheris.Fuzz()


def fuzz_by_mutation(one: Callable[[bytes], None], findings: Path, seconds: int) -> None:
    say("atheris is not installed: plain mutation, no coverage")
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (RSS_MIB * 2**20, hard))
    draw, corpus, tried, ends = random.Random(0), seeds(), 0, time.monotonic() + seconds
    while time.monotonic() < ends:
        data = bytearray(draw.choice(corpus))
        for _ in range(draw.randint(1, 8)):
            data[draw.randrange(len(data))] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))
        poisoned = mended(bytes(data[: draw.choice((len(data), draw.randrange(1, len(data) + 1)))]))
        (findings / "in-hand").write_bytes(poisoned)  # whatever ends this process was this one
        signal.alarm(SECONDS_EACH)
        one(poisoned)
        signal.alarm(0)
        tried += 1
    (findings / "in-hand").unlink()
    say(f"{tried} photos tried, no finding")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--findings", type=Path, default=None, help="folder for photos that are findings")
    parser.add_argument("--plain", action="store_true", help="mutation without coverage, as where atheris is missing")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # as in the child that serves
    findings = asked.findings or Path(tempfile.mkdtemp(prefix="findings-"))
    findings.mkdir(parents=True, exist_ok=True)
    say(f"findings go to {findings}")
    atheris = None if asked.plain else atheris_if_installed()
    if atheris is None:
        fuzz_by_mutation(target(), findings, asked.seconds)
        return
    fuzz_by_coverage(atheris, drawn_elsewhere(), findings, asked.seconds)


if __name__ == "__main__":
    main()
