"""The program that turns bytes into pixels in a process of its own, where a hostile photo can do the least.

`isolation` starts it and talks to it over two pipes. A photo comes as its length (8 bytes, big endian) and its bytes; the
answer is the length of a JSON header, the header, and for a photo that was accepted its RGB pixels. The header is one of

    {"shape": [h, w, 3], "quality": [brightness, contrast, sharpness], "taken_at": ISO 8601 or null}
    {"rejected": cause}    {"out_of_memory": true}    {"fault": traceback}

It never outlives whoever started it: it watches for the end of its standard input while it decodes, and the kernel's alarm
ends it where the decoder lets no other thread run. (The parent-death signal would not do: it comes when a thread ends.)
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import struct
import sys
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from inventory_match.domain.errors import PhotoRejected

if TYPE_CHECKING:
    from inventory_match.ports import Decoder

LENGTH = struct.Struct(">Q")
READY = b"\x06"
"""Sent once everything is imported, so that no photo's time runs out over that."""
ALARM_AFTER = 1.0
"""Seconds after the photo's limit, when whoever should have ended this process is itself gone."""
LONGEST_START = 60.0
"""Seconds. The program imports for a quarter of a second; a machine that is loaded may take its time."""
SHORTEST_START = 10.0
LONGEST_TEXT = 4000
"""Characters of a cause or a traceback; the end of a traceback says most."""

_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL


@dataclass(frozen=True, slots=True)
class Limits:
    """What one photo may take: bytes, pixels, seconds, and MiB of memory above what the program needs when idle."""

    max_bytes: int = 25 * 2**20
    max_pixels: int = 60_000_000
    seconds: float = 30.0
    max_mib: int = 1536

    @property
    def start_seconds(self) -> float:
        """What the program may take to start. `seconds` is a share of the lease its owner holds the photo under: a program
        that hangs while it starts is to be put down within that lease too."""
        return min(LONGEST_START, max(SHORTEST_START, self.seconds))


def serve(decode: Decoder, limits: Limits) -> None:
    """Answers photos until standard input ends."""
    photos, answers = _pipes()
    threading.Thread(target=_end_with_owner, args=(photos.fileno(),), daemon=True).start()
    _confine(limits)
    with suppress(BrokenPipeError):  # nobody is left to be told
        answers.write(READY)
        while length := photos.read(LENGTH.size):
            signal.setitimer(signal.ITIMER_REAL, limits.seconds + ALARM_AFTER)
            header, pixels = _answer(decode, photos.read(*LENGTH.unpack(length)))
            told = json.dumps(header).encode()
            answers.write(LENGTH.pack(len(told)) + told)
            _write(answers, pixels)
            signal.setitimer(signal.ITIMER_REAL, 0)


def _answer(decode: Decoder, data: bytes) -> tuple[dict[str, object], memoryview]:
    nothing = memoryview(b"")
    try:
        decoded = decode(data)
    except PhotoRejected as error:
        return {"rejected": str(error)[:LONGEST_TEXT]}, nothing
    except MemoryError:
        return {"out_of_memory": True}, nothing
    except Exception:  # noqa: BLE001 - told to the worker, which raises it
        return {"fault": traceback.format_exc()[-LONGEST_TEXT:]}, nothing
    quality = decoded.quality
    header: dict[str, object] = {
        "shape": decoded.image.shape,
        "quality": (quality.brightness, quality.contrast, quality.sharpness),
        "taken_at": decoded.taken_at and decoded.taken_at.isoformat(),
    }
    return header, decoded.image.data.cast("B")


def _write(answers: BinaryIO, pixels: memoryview) -> None:
    """A raw pipe may take less than it is given."""
    while pixels:
        pixels = pixels[answers.write(pixels) :]


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """Photos in, answers out. What a library prints goes to standard error, never between the answers."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return sys.stdin.buffer, answers


def _end_with_owner(stdin: int) -> None:
    """Only the end of the pipe ends this: whoever started us is gone, however it ended.

    macOS watches nothing for an empty mask, and wakes for the bytes of a photo too, with nothing to tell.
    """
    owner = select.poll()
    owner.register(stdin, select.POLLHUP)
    while not any(event & _GONE for _, event in owner.poll()):
        time.sleep(0.1)  # rather than spin while a photo is being read
    os._exit(0)


def _confine(limits: Limits) -> None:
    """Limits that the kernel holds. Where there is no /proc (macOS) nothing holds the memory limit."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # it would keep the photo on disk
    with suppress(OSError):  # should the machine run out of memory, this process goes before its worker
        Path("/proc/self/oom_score_adj").write_text("1000")
    with suppress(OSError):
        at_rest = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        most = at_rest + limits.max_mib * 2**20
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        if hard != resource.RLIM_INFINITY:  # nobody but root may go above it, and whoever set it meant it
            most = min(most, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def main() -> None:
    """`python -m inventory_match.vision.decoding LIMITS`, the limits as a JSON object."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)  # they are for the worker, which may still finish the photo in hand
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    limits = Limits(**json.loads(sys.argv[-1]))
    from inventory_match.vision.images import decoder

    serve(decoder(limits.max_bytes, limits.max_pixels), limits)


if __name__ == "__main__":
    main()
