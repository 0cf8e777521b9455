"""A stand-in for the decoder's program: the real one, with a codec that has holes.

A photo that carries `HANG`, `HANG-LOCKED`, `CRASH` or `EAT` behind a `poison:` mark hangs it in C, hangs it in C without
letting another Python thread run, makes it read address 0, or takes memory without end. All else it decodes truly.
"""

from __future__ import annotations

import ctypes
import json
import re
import sys

from inventory_match.ports import Decoded
from inventory_match.vision.decoding import Limits, serve
from inventory_match.vision.images import decoder


def main() -> None:
    limits = Limits(**json.loads(sys.argv[-1]))
    decode = decoder(limits.max_bytes, limits.max_pixels)

    def decode_with_holes(data: bytes) -> Decoded:
        if mark := re.search(rb"poison:(HANG-LOCKED|HANG|CRASH|EAT);", data):
            print("in the hole", file=sys.stderr, flush=True)  # noqa: T201 - a test waits for it
            {b"HANG": hang, b"HANG-LOCKED": hang_locked, b"CRASH": crash, b"EAT": eat}[mark[1]]()
        return decode(data)

    serve(decode_with_holes, limits)


def hang() -> None:
    ctypes.CDLL(None).sleep(3600)


def hang_locked() -> None:
    ctypes.PyDLL(None).sleep(3600)


def crash() -> None:
    ctypes.string_at(0)


def eat() -> None:
    swallowed = []
    while True:
        swallowed.append(bytearray(2**24))


if __name__ == "__main__":
    main()
