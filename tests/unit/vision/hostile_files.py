"""Files that nobody's camera writes, made of bytes: headers that lie, bombs, tables that point at themselves."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

from PIL import Image

from .test_images import header, png

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
HALF_RUN = "0" + "1" * 14
"""Code 0 means "the next blocks are empty": 32,767 of them."""


def segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def table(where: int, symbol: int) -> bytes:
    """A Huffman table of one code, `0`."""
    return segment(0xC4, bytes([where, 1] + [0] * 15 + [symbol]))


def grey_jpeg(width: int, height: int, *, scans: int = 0) -> bytes:
    """A true and complete mid-grey JPEG at two bits a block; with `scans` a progressive one with so many more empty scans."""
    blocks = -(-width // 8) * -(-height // 8)
    start = SOI + segment(0xDB, b"\0" + b"\1" * 64)
    start += segment(0xC2 if scans else 0xC0, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0")
    start += table(0x00, 0) + table(0x10, 0xE0 if scans else 0)
    if not scans:
        return start + segment(0xDA, b"\1\1\0\0\x3f\0") + bytes(-(-blocks // 4)) + EOI
    runs = HALF_RUN * -(-blocks // 32_767)
    runs += "1" * (-len(runs) % 8)
    empty = int(runs, 2).to_bytes(len(runs) // 8, "big").replace(b"\xff", b"\xff\0")
    first = segment(0xDA, b"\1\1\0\0\0\0") + bytes(-(-blocks // 8))
    return start + first + (segment(0xDA, b"\1\1\0\1\x3f\0") + empty) * scans + EOI


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def jpeg_with(*segments: bytes) -> bytes:
    """A small JPEG with these segments right behind its start."""
    whole = saved(Image.new("RGB", (32, 24), (90, 120, 30)), "JPEG")
    return SOI + b"".join(segments) + whole[2:]


def png_with(*chunks: tuple[bytes, bytes], size: int = 8) -> bytes:
    """A small white PNG with these chunks behind its header."""
    return png(header(size, size), *chunks, (b"IDAT", zlib.compress((b"\0" + b"\xff" * 3 * size) * size)))


def webp_with(name: bytes, body: bytes) -> bytes:
    """A small WebP with one more chunk, and the flag that says that it has EXIF, an ICC profile or XMP."""
    flags = {b"EXIF": 0x08, b"ICCP": 0x20, b"XMP ": 0x04}
    picture = saved(Image.new("RGB", (8, 8), "white"), "WEBP")[12:]
    extended = b"VP8X" + struct.pack("<I", 10) + bytes([flags[name], 0, 0, 0]) + b"\7\0\0\7\0\0"
    chunk = name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    ordered = chunk + picture if name == b"ICCP" else picture + chunk
    return riff(extended + ordered)


def riff(chunks: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def webp_claiming(width: int, height: int, *, lossless: bool) -> bytes:
    """The header of so large a WebP, with nothing behind it."""
    if lossless:
        body = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + bytes(20)
        return riff(b"VP8L" + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2))
    canvas = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return riff(b"VP8X" + struct.pack("<I", 10) + bytes(4) + canvas)


def tiff(*entries: tuple[int, int, int, int], more: bytes = b"", following: int = 0) -> bytes:
    """EXIF as TIFF, little-endian: entries of (tag, type, count, value or offset), and the offset of the next table."""
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + packed + struct.pack("<I", following) + more


def interlaced_png(size: int, colour: tuple[int, int, int]) -> bytes:
    """Adam7, which Pillow reads and cannot write."""
    lines = b""
    for x, y, across, down in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
                               (0, 1, 1, 2)):  # fmt: skip
        width, height = len(range(x, size, across)), len(range(y, size, down))
        lines += (b"\0" + bytes(colour) * width) * height if width else b""
    return png((b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 1)), (b"IDAT", zlib.compress(lines)))
