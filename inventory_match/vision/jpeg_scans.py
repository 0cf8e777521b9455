"""How many scans a JPEG has: a few kilobytes may ask libjpeg to go over sixty megapixels thousands of times."""

from __future__ import annotations

import re

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""Not a stuffed FF (FF 00), not a restart (FF D0 to D7), not a fill byte (FF FF)."""
_SCAN, _END, _ALONE = 0xDA, 0xD9, (0x01, 0xD8)


def scans(data: bytes, enough: int) -> int:
    """Scans up to the end of the first picture; the exact number matters only above `enough`.

    Thumbnails lie inside segments and a phone's video behind the end: neither counts.
    """
    if (most := data.count(b"\xff\xda")) <= enough:
        return most
    found, at = 0, 2
    while (marker := _MARKER.search(data, at)) and marker[0][1] != _END:
        at = marker.end()
        found += marker[0][1] == _SCAN
        if marker[0][1] not in _ALONE:
            at += int.from_bytes(data[at : at + 2], "big")
    return found
