"""JPEGs of a few kilobytes or megabytes that would keep a parser busy for minutes or hours, told by what they are made of.

They are turned away for good. Without this the time limit would end them, once for each attempt.
"""

from __future__ import annotations

import re

MOST_SCANS = 200
"""Cameras write one to three, progressive files about ten. libjpeg goes over all pixels for each."""
MOST_EXIF = 400
"""Segments; so many hold more than is accepted in bytes. Pillow copies what it has for each one more."""

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""Not a stuffed FF (FF 00), not a restart (FF D0 to D7), not a fill byte (FF FF)."""
_SCAN, _EXIF, _END, _ALONE = 0xDA, 0xE1, 0xD9, (0x01, 0xD8)


def complaint(data: bytes) -> str | None:
    """What is too much about a JPEG, or None."""
    if data.count(b"\xff\xda") <= MOST_SCANS and data.count(b"\xff\xe1") <= MOST_EXIF:
        return None
    scans, exif = _counted(data)
    if scans > MOST_SCANS:
        return f"a JPEG of {scans} scans, more than the {MOST_SCANS} accepted; save it as a baseline JPEG"
    return f"a JPEG of {exif} EXIF segments, more than the {MOST_EXIF} accepted" if exif > MOST_EXIF else None


def _counted(data: bytes) -> tuple[int, int]:
    """Scans and EXIF segments up to the end of the first picture.

    Thumbnails lie inside segments and a phone's video behind the end: neither counts.
    """
    scans, exif, at = 0, 0, 2
    while (marker := _MARKER.search(data, at)) and (kind := marker[0][1]) != _END:
        scans, exif, at = scans + (kind == _SCAN), exif + (kind == _EXIF), marker.end()
        if kind not in _ALONE:
            at += int.from_bytes(data[at : at + 2], "big")
    return scans, exif
