"""Files made to do harm: each ends in pixels or in a rejection, in the real child process, within 10 seconds and 120 MiB.

More than that would be OutOfTime or OutOfMemory here, and no test expects those: the limits are a last defence, not an answer.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from inventory_match.domain.errors import PhotoRejected
from inventory_match.vision.decoding import Limits
from inventory_match.vision.images import decoder
from inventory_match.vision.isolation import IsolatedDecoder

from .hostile_files import (
    EOI,
    SOI,
    grey_jpeg,
    interlaced_png,
    jpeg_with,
    png_with,
    riff,
    saved,
    segment,
    tiff,
    webp_claiming,
    webp_with,
)  # fmt: skip
from .test_images import corners, header, photo, png

IN_PROCESS = decoder()
EVERY_WAY: dict[str, tuple[str, dict[str, object]]] = {
    "JPEG": ("JPEG", {}), "progressive JPEG": ("JPEG", {"progressive": True}), "PNG": ("PNG", {}),
    "WebP": ("WEBP", {}), "lossless WebP": ("WEBP", {"lossless": True}),
}  # fmt: skip


@pytest.fixture(scope="module")
def decode() -> Iterator[IsolatedDecoder]:
    isolated = IsolatedDecoder(Limits(seconds=10, max_mib=120))
    yield isolated
    isolated.close()


def shape_or_cause(decode: IsolatedDecoder, data: bytes) -> tuple[int, ...] | str:
    """Anything but pixels and PhotoRejected fails the test."""
    try:
        image = decode(data).image
    except PhotoRejected as error:
        return str(error)
    assert image.dtype == np.uint8
    assert image.shape[2:] == (3,)
    return image.shape


@pytest.mark.parametrize(("data", "claim"), [
    (SOI + segment(0xC0, struct.pack(">BHHB", 8, 65_500, 65_500, 1) + b"\1\x11\0") + EOI, "65500 x 65500"),
    (grey_jpeg(14_200, 14_100), "14200 x 14100"),
    (grey_jpeg(10_000, 9_000), "10000 x 9000"),
    (webp_claiming(16_383, 16_383, lossless=True), None),
    (webp_claiming(2**24, 255, lossless=False), None),
    (png(header(2**31 - 1, 1), (b"IDAT", zlib.compress(bytes(1000)))), "2147483647 x 1"),
    (png(header(2**31 - 1, 2**31 - 1), (b"IDAT", b"")), None),
], ids=["JPEG header", "true JPEG of 200 megapixels", "true JPEG of 90", "WebP header", "WebP canvas",
        "PNG line", "PNG square"])  # fmt: skip
def test_more_pixels_than_accepted_are_rejected_from_the_header(
    decode: IsolatedDecoder, data: bytes, claim: str | None
) -> None:
    """200 megapixels would be 600 MB: five times what is allowed here."""
    cause = shape_or_cause(decode, data)
    assert isinstance(cause, str)
    assert claim is None or cause.startswith(f"{claim} px are more") or "60000000 px accepted" in cause


@pytest.mark.parametrize("way", EVERY_WAY)
def test_a_file_cut_at_any_percent_is_rejected(decode: IsolatedDecoder, way: str) -> None:
    kind, options = EVERY_WAY[way]
    whole = saved(photo().resize((160, 120)), kind, **options)
    causes = {shape_or_cause(decode, whole[: len(whole) * percent // 100]) for percent in range(100)}
    assert "an empty file is not accepted; upload JPEG, PNG or WebP" in causes
    assert all(isinstance(cause, str) for cause in causes), causes
    assert shape_or_cause(decode, whole) == (120, 160, 3)


@pytest.mark.parametrize(("data", "wanted"), [
    (jpeg_with() + b"PK\3\4" + bytes(500), (24, 32, 3)),
    (jpeg_with(segment(0xFE, b"<script>alert(1)</script><!--")), (24, 32, 3)),
    (SOI + b"\xff\xe0" + b"/*" + bytes(0x2F2A - 2) + jpeg_with()[2:] + b"*/=alert(1)", (24, 32, 3)),
    (jpeg_with() + saved(corners(), "PNG"), (24, 32, 3)), (saved(corners(), "PNG") + jpeg_with(), (32, 48, 3)),
    (saved(corners(), "GIF") + saved(corners(), "PNG"), "GIF is not accepted"),
    (b"GIF89a" + saved(corners(), "PNG"), "GIF is not accepted"), (b"%PDF-1.7\n" + jpeg_with(), "PDF is not accepted"),
    (b"<html>" + jpeg_with(), "HTML is not accepted"), (riff(jpeg_with()), "damaged WEBP"),
    (b"\x89PNG\r\n\x1a\n" + jpeg_with(), "damaged PNG"), (SOI + b"\xff" + saved(corners(), "PNG"), "damaged JPEG"),
], ids=["zip behind", "script in comment", "javascript", "png behind", "jpeg behind", "gif first", "gif name", "pdf first",
        "html first", "jpeg in webp", "jpeg in png", "png in jpeg"])  # fmt: skip
def test_of_two_files_in_one_the_first_counts_and_nothing_else_is_read(
    decode: IsolatedDecoder, data: bytes, wanted: tuple[int, ...] | str
) -> None:
    found = shape_or_cause(decode, data)
    assert found == wanted or (isinstance(found, str) and isinstance(wanted, str) and found.startswith(wanted)), found


LOOP = tiff((0x8769, 4, 1, 8), (0x8825, 4, 1, 8), (0xA005, 4, 1, 8), (0x0112, 3, 1, 6), following=8)
HUGE = tiff((0x010F, 2, 2**32 - 1, 8), (0x8769, 4, 2**31, 2**32 - 1), (0x0112, 3, 1, 6))
MANY = tiff(*((tag, 7, 2**18, 8) for tag in range(0x112 + 1, 0x112 + 20_000)), more=bytes(2**18))
CRAZY = tiff((0x0112, 2, 4, 0x41414141), (0x0112, 5, 1, 8), (0x8769, 2, 4, 0xFFFFFFFF))


@pytest.mark.parametrize("notes", [LOOP, HUGE, MANY[:60_000], MANY, CRAZY, b"", b"II*\0", b"garbage" * 99],
                         ids=["loop", "huge", "many", "too many", "crazy", "empty", "short", "garbage"])  # fmt: skip
def test_broken_exif_costs_neither_the_photo_nor_the_time(decode: IsolatedDecoder, notes: bytes) -> None:
    parts = [notes[at : at + 65_000] for at in range(0, len(notes), 65_000)] or [b""]
    exif = [segment(0xE1, b"Exif\0\0" + part) for part in parts]
    assert shape_or_cause(decode, jpeg_with(*exif)) in {(24, 32, 3), (32, 24, 3)}
    assert shape_or_cause(decode, png_with((b"eXIf", notes))) == (8, 8, 3)
    assert shape_or_cause(decode, webp_with(b"EXIF", notes)) == (8, 8, 3)


def test_a_jpeg_of_countless_exif_segments_is_rejected(decode: IsolatedDecoder) -> None:
    """Each is added to a copy of all before it: 12 MB would be copied a hundred thousand times."""
    data = jpeg_with(*[segment(0xE1, b"Exif\0\0" + bytes(100))] * 110_000)
    assert shape_or_cause(decode, data) == "a JPEG of 110000 EXIF segments, more than the 400 accepted"


def test_a_jpeg_of_thousands_of_scans_is_rejected(decode: IsolatedDecoder) -> None:
    """100 kB that would take half a minute."""
    data = grey_jpeg(1000, 1000, scans=7000)
    assert shape_or_cause(decode, data) == (
        "a JPEG of 7001 scans, more than the 200 accepted; save it as a baseline JPEG"
    )
    assert shape_or_cause(decode, grey_jpeg(1000, 1000, scans=150)) == (1000, 1000, 3)


def test_what_looks_like_scans_behind_the_end_of_a_jpeg_does_not_count(decode: IsolatedDecoder) -> None:
    """Some phones append a video, and a thumbnail has scans of its own."""
    assert shape_or_cause(decode, jpeg_with(segment(0xED, b"\xff\xda" * 900)) + bytes(9) + b"\xff\xda\0\2" * 900) == (
        24,
        32,
        3,
    )


SQUEEZED = zlib.compress(bytes(40_000_000), 9)


@pytest.mark.parametrize("chunks", [
    [(b"zTXt", b"Comment\0\0" + SQUEEZED)], [(b"iCCP", b"icc\0\0" + SQUEEZED)],
    [(b"iTXt", b"Comment\0\1\0\0\0" + SQUEEZED)], [(b"zTXt", b"Raw profile type exif\0\0" + SQUEEZED)],
    [(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(900_000), 9))] * 90,
], ids=["zTXt", "iCCP", "iTXt", "exif as text", "many small ones"])  # fmt: skip
def test_a_text_that_unpacks_to_megabytes_is_rejected(
    decode: IsolatedDecoder, chunks: list[tuple[bytes, bytes]]
) -> None:
    cause = shape_or_cause(decode, png_with(*chunks))
    assert isinstance(cause, str), cause
    assert cause.startswith("damaged PNG")


def test_pixels_that_unpack_to_more_than_declared_are_cut_off(decode: IsolatedDecoder) -> None:
    assert shape_or_cause(decode, png(header(8, 8), (b"IDAT", SQUEEZED))) == (8, 8, 3)


@pytest.mark.parametrize("profile", [b"", b"garbage", b"\xff" * 5_000, bytes(2**20), ImageCms.ImageCmsProfile(
    ImageCms.createProfile("sRGB")).tobytes()[:300]], ids=["empty", "short", "ones", "a megabyte", "cut"])  # fmt: skip
def test_a_broken_colour_profile_is_ignored_or_named(decode: IsolatedDecoder, profile: bytes) -> None:
    parts = [profile[at : at + 60_000] for at in range(0, len(profile), 60_000)] or [b""]
    told = [segment(0xE2, b"ICC_PROFILE\0" + bytes([i + 1, len(parts)]) + part) for i, part in enumerate(parts)]
    assert shape_or_cause(decode, jpeg_with(*told)) == (24, 32, 3)
    assert shape_or_cause(decode, webp_with(b"ICCP", profile)) == (8, 8, 3)
    assert shape_or_cause(decode, png_with((b"iCCP", b"icc\0\0" + zlib.compress(profile)))) == (8, 8, 3)
    shape_or_cause(decode, png_with((b"iCCP", b"icc\0\0" + profile)))


@pytest.mark.parametrize("length", [0, 1, 2, 7, 65_535])
@pytest.mark.parametrize("marker", [0xC0, 0xC4, 0xDA, 0xDB, 0xE0, 0xE1, 0xE2, 0xEE, 0xFE])
def test_wrong_lengths_of_segments_are_survived(decode: IsolatedDecoder, marker: int, length: int) -> None:
    lying = b"\xff" + bytes([marker]) + struct.pack(">H", length) + b"Exif\0\0"
    shape_or_cause(decode, jpeg_with(lying))
    whole = jpeg_with()
    at = whole.find(b"\xff" + bytes([marker])) + 2
    shape_or_cause(decode, whole[:at] + struct.pack(">H", length) + whole[at + 2 :])


@pytest.mark.parametrize(("data", "wanted"), [
    *((saved(Image.new("RGB", (1, 1), "red"), kind), (1, 1, 3)) for kind in ("JPEG", "PNG", "WEBP")),
    (saved(Image.new("RGB", (20_000, 10), "red"), "JPEG"), (10, 20_000, 3)),
    (saved(Image.new("RGB", (20_000, 10), "red"), "PNG"), (10, 20_000, 3)),
    (saved(Image.new("RGB", (16_383, 10), "red"), "WEBP"), (10, 16_383, 3)),
    (saved(Image.new("RGB", (10, 20_000), "red"), "JPEG"), (20_000, 10, 3)),
    (interlaced_png(21, (10, 200, 30)), (21, 21, 3)),
    (png(header(4, 4, depth=16, colour=6), (b"IDAT", zlib.compress((b"\0" + b"\x80\0" * 16) * 4))), (4, 4, 3)),
    (png(header(4, 4, depth=16, colour=4), (b"IDAT", zlib.compress((b"\0" + b"\x80\0" * 8) * 4))), (4, 4, 3)),
    (png(header(0, 0), (b"IDAT", zlib.compress(b""))), "damaged PNG"),
    (SOI + segment(0xC0, struct.pack(">BHHB", 8, 0, 0, 1) + b"\1\x11\0") + EOI, "damaged JPEG"),
    (SOI + segment(0xC0, struct.pack(">BHHB", 12, 9, 9, 1) + b"\1\x11\0") + EOI, "damaged JPEG"),
    (png(header(8, 8), (b"PLTE", b"")), "damaged PNG"),
    (png(header(4, 4, colour=3), (b"PLTE", b"\1\2\3"), (b"IDAT", zlib.compress(b"\0\1\1\1\1" * 4))), (4, 4, 3)),
    (png(header(4, 4, colour=3), (b"PLTE", b"\1\2\3"), (b"tRNS", bytes(300)), (b"IDAT", zlib.compress(bytes(20)))),
     "damaged PNG: palette index out of range"),
])  # fmt: skip
def test_odd_sizes_and_odd_pixels(decode: IsolatedDecoder, data: bytes, wanted: tuple[int, ...] | str) -> None:
    found = shape_or_cause(decode, data)
    assert found == wanted or (isinstance(found, str) and isinstance(wanted, str) and found.startswith(wanted)), found


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_of_a_hundred_frames_the_first_alone_is_decoded(decode: IsolatedDecoder, kind: str) -> None:
    """All of them would be 144 MB."""
    frames = [Image.new("RGB", (600, 600), (i % 256, 40, 90)) for i in range(2)] * 50
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=10, compress_level=1)
    assert shape_or_cause(decode, data) == (600, 600, 3)
    assert decode(data).image[0, 0, 0] <= 4, "of the first frame"


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns of broken EXIF
@settings(max_examples=150, deadline=5000)
@given(st.data())
def test_whatever_becomes_of_a_files_bytes_it_ends_in_pixels_or_a_rejection(data: st.DataObject) -> None:
    """In this process: a crash of a parser would be a crash of the tests. The long run is `tests/faults/fuzz_decode.py`."""
    kind, options = EVERY_WAY[data.draw(st.sampled_from(sorted(EVERY_WAY)))]
    changed = bytearray(saved(corners(), kind, **options))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(changed) - 1))
        changed[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=6))
        changed = changed or bytearray(b"\0")
    try:
        image = IN_PROCESS(bytes(changed)).image
    except PhotoRejected:
        return
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
    assert image.size
