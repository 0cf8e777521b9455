"""Every kind of file a bucket may hold: accepted ones come out upright and RGB, the others are named."""

from __future__ import annotations

import struct
import zlib
from datetime import datetime, timedelta, timezone
from io import BytesIO

import numpy as np
import pytest
from PIL import ExifTags, Image

from inventory_match.domain.errors import PhotoRejected
from inventory_match.domain.photos import Box, QualityLimits
from inventory_match.vision.images import crop, decoder, measure

decode = decoder()
RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 180, 30), (30, 30, 220), (220, 220, 30)


def corners(width: int = 48, height: int = 32) -> Image.Image:
    """Red top left, green top right, blue bottom left, yellow bottom right."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    image.paste(YELLOW, (width // 2, height // 2, width, height))
    return image


def photo(seed: int = 0) -> Image.Image:
    """Smooth colours with some grain: compresses to many bytes, so that cutting some off hurts."""
    draw = np.random.default_rng(seed)
    coarse = Image.fromarray(draw.integers(0, 255, (12, 16, 3), dtype=np.uint8)).resize(
        (320, 240), Image.Resampling.BICUBIC
    )
    return Image.fromarray((np.asarray(coarse) // 2 + draw.integers(0, 90, (240, 320, 3))).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def seen_corners(data: bytes) -> list[tuple[int, ...]]:
    image = decode(data).image.astype(int)
    height, width = image.shape[:2]
    spots = [
        (height // 4, width // 4),
        (height // 4, -width // 4),
        (-height // 4, width // 4),
        (-height // 4, -width // 4),
    ]
    return [tuple(image[y, x].tolist()) for y, x in spots]


def about(found: list[tuple[int, ...]], wanted: list[tuple[int, ...]], slack: int = 40) -> bool:
    return bool((np.abs(np.array(found) - np.array(wanted)) <= slack).all())


@pytest.mark.parametrize(("kind", "options"), [
    ("JPEG", {"quality": 95, "subsampling": 0}), ("JPEG", {"quality": 95, "subsampling": 0, "progressive": True}),
    ("PNG", {}), ("WEBP", {"lossless": True}), ("WEBP", {"quality": 95}),
])  # fmt: skip
def test_each_accepted_format_gives_rgb(kind: str, options: dict[str, object]) -> None:
    data = encoded(corners(), kind, **options)
    decoded = decode(data)
    assert decoded.image.shape == (32, 48, 3)
    assert decoded.image.dtype == np.uint8
    assert about(seen_corners(data), [RED, GREEN, BLUE, YELLOW])


@pytest.mark.parametrize(("kind", "name"), [
    ("GIF", "GIF"), ("BMP", "BMP"), ("TIFF", "TIFF"), ("ICO", "ICO"), ("JPEG2000", "JPEG 2000"),
    ("PDF", "PDF"), ("AVIF", "AVIF"),
])  # fmt: skip
def test_other_formats_are_rejected_by_name(kind: str, name: str) -> None:
    with pytest.raises(PhotoRejected, match=f"^{name} is not accepted; upload JPEG, PNG or WebP$"):
        decode(encoded(corners(), kind))


@pytest.mark.parametrize(("data", "name"), [
    (b"", "an empty file"), (b"hello there", "this kind of file"), (b"  <svg xmlns='x'/>", "SVG"),
    (b"<!DOCTYPE html><p>", "HTML"),
    (b"PK\x03\x04rest", "ZIP"), (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"), (b"\0\0\0\x18ftypmp42\0\0\0\0", "a video"),
    (b"RIFF\0\0\0\0WAVEfmt ", "this kind of file"), (b"\xff\x0a\x00", "JPEG XL"),
])  # fmt: skip
def test_files_that_are_no_photos_are_rejected_by_name(data: bytes, name: str) -> None:
    with pytest.raises(PhotoRejected, match=f"^{name} is not accepted"):
        decode(data)


@pytest.mark.parametrize(("orientation", "wanted"), [
    (1, [RED, GREEN, BLUE, YELLOW]), (2, [GREEN, RED, YELLOW, BLUE]), (3, [YELLOW, BLUE, GREEN, RED]),
    (4, [BLUE, YELLOW, RED, GREEN]), (5, [RED, BLUE, GREEN, YELLOW]), (6, [BLUE, RED, YELLOW, GREEN]),
    (7, [YELLOW, GREEN, BLUE, RED]), (8, [GREEN, YELLOW, RED, BLUE]),
])  # fmt: skip
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_applied(orientation: int, wanted: list[tuple[int, ...]], kind: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = encoded(corners(), kind, exif=exif, quality=95)
    assert decode(data).image.shape == ((32, 48, 3) if orientation < 5 else (48, 32, 3))
    assert about(seen_corners(data), wanted)


def test_broken_exif_does_not_cost_the_photo() -> None:
    exif = dated("2026:01:31 23:59:58")
    exif[ExifTags.Base.Orientation] = 6
    data = encoded(corners(), "JPEG", exif=exif, quality=95)
    at = data.index(b"2026:01:31") - 40
    broken = data[:at] + b"\xff\x7f" * 10 + data[at + 20 :]
    decoded = decode(broken)
    assert decoded.taken_at is None
    assert decoded.image.shape[2] == 3


def test_a_nonsensical_orientation_changes_nothing() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 77
    assert about(seen_corners(encoded(corners(), "JPEG", exif=exif, quality=95)), [RED, GREEN, BLUE, YELLOW])


def test_cmyk_jpeg() -> None:
    data = encoded(corners().convert("CMYK"), "JPEG", quality=95, subsampling=0)
    assert about(seen_corners(data), [RED, GREEN, BLUE, YELLOW])


def test_grey_jpeg_and_webp() -> None:
    for kind in ("JPEG", "WEBP"):
        image = decode(encoded(corners().convert("L"), kind, quality=95)).image
        assert image.shape == (32, 48, 3)
        assert np.ptp(image.astype(int), axis=2).max() <= 8


def test_palette_png() -> None:
    data = encoded(corners().convert("P", palette=Image.Palette.ADAPTIVE), "PNG")
    assert about(seen_corners(data), [RED, GREEN, BLUE, YELLOW])


def test_palette_png_with_a_transparent_entry_is_laid_on_white() -> None:
    palette = corners().convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    data = encoded(palette, "PNG", transparency=int(np.asarray(palette)[0, 0]))
    assert about(seen_corners(data), [(255, 255, 255), GREEN, BLUE, YELLOW])


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_alpha_is_laid_on_white(kind: str) -> None:
    image = corners().convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 24, 16))
    assert about(seen_corners(encoded(image, kind, lossless=True)), [(255, 255, 255), GREEN, BLUE, YELLOW])


def test_half_transparent_black_is_grey() -> None:
    image = decode(encoded(Image.new("RGBA", (20, 20), (0, 0, 0, 128)), "PNG")).image
    assert abs(int(image[10, 10, 0]) - 127) <= 2


def test_grey_with_alpha() -> None:
    image = Image.new("LA", (20, 20), (100, 255))
    image.paste((100, 0), (0, 0, 10, 20))
    assert decode(encoded(image, "PNG")).image[5, :, 0].tolist() == [255] * 10 + [100] * 10


def test_one_bit() -> None:
    image = Image.new("1", (20, 20), 0)
    image.paste(1, (10, 0, 20, 20))
    assert decode(encoded(image, "PNG")).image[5, :, 1].tolist() == [0] * 10 + [255] * 10


def test_sixteen_bit_grey_keeps_its_range() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)
    image = decode(encoded(Image.fromarray(np.tile(ramp, (16, 1))), "PNG")).image
    assert image[8, 0].tolist() == [0, 0, 0]
    assert image[8, -1].tolist() == [255, 255, 255]
    assert abs(int(image[8, 128, 0]) - 128) <= 1


def test_sixteen_bit_colour() -> None:
    """Written by hand, since Pillow cannot: 8 x 8 px of (65535, 32768, 0)."""
    line = b"\0" + struct.pack(">HHH", 65535, 32768, 0) * 8
    data = png(header(8, 8, depth=16, colour=2), (b"IDAT", zlib.compress(line * 8)))
    assert decode(data).image[4, 4].tolist() == [255, 128, 0]


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_of_an_animation_the_first_frame_counts(kind: str) -> None:
    data = encoded(corners(), kind, save_all=True, append_images=[Image.new("RGB", (48, 32), "white")], lossless=True)
    assert about(seen_corners(data), [RED, GREEN, BLUE, YELLOW])


@pytest.mark.parametrize(("kind", "options"), [
    ("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {}), ("WEBP", {"lossless": True}),
])  # fmt: skip
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6, 0.95])
def test_truncated_files_are_rejected(kind: str, options: dict[str, object], kept: float) -> None:
    data = encoded(photo(), kind, **options)
    with pytest.raises(PhotoRejected, match=f"damaged {kind}"):
        decode(data[: int(len(data) * kept)])


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns of broken EXIF while it opens a JPEG
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_damaged_files_are_decoded_or_rejected_but_never_crash(kind: str) -> None:
    whole = bytearray(encoded(photo(), kind, exif=dated("2026:01:31 23:59:58", "+01:00")))
    draw = np.random.default_rng(1)
    outcomes = set()
    for _ in range(150):
        data = bytearray(whole)
        reach = 200 if draw.random() < 0.6 else len(data)  # headers are where parsers trip
        for place in draw.integers(4, reach, 6):
            data[place] = int(draw.integers(256))
        try:
            outcomes.add(decode(bytes(data)).image.shape[2])
        except PhotoRejected:
            outcomes.add("rejected")
    assert "rejected" in outcomes


def test_too_many_bytes() -> None:
    data = encoded(photo(), "PNG")
    with pytest.raises(PhotoRejected, match=f"{len(data)} bytes are more than the 1000 accepted"):
        decoder(max_bytes=1000)(data)
    assert decoder(max_bytes=len(data))(data).image.shape == (240, 320, 3)


def test_too_many_pixels() -> None:
    with pytest.raises(PhotoRejected, match="320 x 240 px are more than the 10000 px accepted"):
        decoder(max_pixels=10_000)(encoded(photo(), "JPEG"))


@pytest.mark.parametrize("side", [8_000, 11_000, 60_000])
def test_a_bomb_is_rejected_from_its_header(side: int) -> None:
    """A few bytes that claim 64, 121 and 3,600 megapixels: over our cap, where Pillow warns, where Pillow refuses."""
    data = png(header(side, side), (b"IDAT", zlib.compress(b"\0" * 1000)))
    with pytest.raises(PhotoRejected, match="more than the 60000000 px accepted"):
        decode(data)


def test_a_text_bomb_in_a_png_is_rejected() -> None:
    chunk = b"Comment\0\0" + zlib.compress(b"a" * 80_000_000)
    pixels = zlib.compress((b"\0" + b"\x80" * 24) * 8)
    with pytest.raises(PhotoRejected, match="damaged PNG"):
        decode(png(header(8, 8), (b"zTXt", chunk), (b"IDAT", pixels)))


def test_dark_blank_and_blurred_photos_are_rejected_with_the_figure() -> None:
    strict = decoder(limits=QualityLimits())
    assert strict(encoded(photo(), "PNG")).quality.sharpness > 100
    with pytest.raises(PhotoRejected, match=r"too dark: brightness 3\.0 is below 12\.0"):
        strict(encoded(Image.new("RGB", (64, 64), (3, 3, 3)), "PNG"))
    with pytest.raises(PhotoRejected, match=r"blank: contrast 0\.0 is below 4\.0"):
        strict(encoded(Image.new("RGB", (64, 64), (90, 90, 90)), "PNG"))
    smooth = np.tile(np.linspace(20, 230, 512).astype(np.uint8)[None, :, None], (300, 1, 3))
    with pytest.raises(PhotoRejected, match=r"too blurred: sharpness \d\.\d is below 4\.0"):
        strict(encoded(Image.fromarray(smooth), "PNG"))
    assert decode(encoded(Image.new("RGB", (64, 64)), "PNG")).quality.brightness == 0


def test_sharpness_does_not_depend_on_the_cameras_pixels() -> None:
    small = photo().resize((512, 384), Image.Resampling.BICUBIC)
    large = small.resize((2048, 1536), Image.Resampling.NEAREST)
    assert measure(np.asarray(large)).sharpness == pytest.approx(measure(np.asarray(small)).sharpness, rel=0.02)


def test_quality_figures_of_known_pictures() -> None:
    halves = np.zeros((100, 100, 3), np.uint8)
    halves[:, 50:] = 200
    quality = measure(halves)
    assert (quality.brightness, quality.contrast) == (100.0, 100.0)
    assert quality.sharpness == pytest.approx(2 * 200**2 / 98)
    assert measure(np.zeros((1, 2, 3), np.uint8)).sharpness == 0


def dated(original: str | bytes, offset: str | None = None) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "camera"  # Pillow takes EXIF without a first-level tag for none
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    inner[ExifTags.Base.DateTimeOriginal] = original
    if offset is not None:
        inner[ExifTags.Base.OffsetTimeOriginal] = offset
    return exif


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(("exif", "wanted"), [
    (dated("2026:01:31 23:59:58"), datetime.fromisoformat("2026-01-31T23:59:58")),
    (dated("2026:01:31 23:59:58", "+02:00"), datetime(2026, 1, 31, 23, 59, 58, tzinfo=timezone(timedelta(hours=2)))),
    (dated("2026:01:31 23:59:58", "nonsense"), datetime.fromisoformat("2026-01-31T23:59:58")),
    (dated("0000:00:00 00:00:00"), None), (dated("    "), None), (Image.Exif(), None),
])  # fmt: skip
def test_time_taken(kind: str, exif: Image.Exif, wanted: datetime | None) -> None:
    taken = decode(encoded(corners(), kind, exif=exif)).taken_at
    assert taken == wanted
    assert (taken and taken.tzinfo) == (wanted and wanted.tzinfo)


def test_crop_cuts_fractions_and_never_nothing() -> None:
    image = np.asarray(corners())
    assert crop(image, Box(0.5, 0.0, 1.0, 0.5)).reshape(-1, 3).tolist() == [list(GREEN)] * (24 * 16)
    assert crop(image, Box(0.999, 0.999, 1.0, 1.0)).shape == (1, 1, 3)


def header(width: int, height: int, depth: int = 8, colour: int = 2) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in (*chunks, (b"IEND", b""))
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
