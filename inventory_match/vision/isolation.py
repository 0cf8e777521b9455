"""A decoder that a photo cannot take its worker down with: the parsers run in a child process, under limits.

A photo that hangs, crashes or swallows memory costs the child, which is started again for the next photo; the worker raises a
`DecoderStopped` that says which of them it was, and goes on. The child knows no secrets: it gets a minimal environment, its
own two pipes, and the worker's standard error. It is `decoding`, which tells what is said on the pipes.

Plain `subprocess`, because Celery's pool processes are daemonic and may not use multiprocessing.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inventory_match.domain.errors import DecoderDied, DecoderStopped, OutOfMemory, OutOfTime, PhotoRejected
from inventory_match.domain.photos import Quality
from inventory_match.ports import Decoded, Decoder
from inventory_match.vision.decoding import LENGTH, READY, Limits
from inventory_match.vision.images import acceptable

if TYPE_CHECKING:
    from inventory_match.ports import Image

COMMAND = (sys.executable, "-P", "-W", "ignore", "-m", "inventory_match.vision.decoding")
START_SECONDS = 60.0
"""The child imports for a quarter of a second; a machine that is loaded may take its time."""
_PIPE_BYTES = 2**20
_LONGEST_HEADER = 2**16
_NEEDED = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME")
_EOF_GRACE = 2.0


class IsolatedDecoder:
    """A `ports.Decoder`, safe for threads: one photo at a time, in one child per process, started when first needed.

    `command` is the child's program; the limits follow it as one more argument. Raises PhotoRejected as `images.decoder`
    does, and where the photo took the child with it OutOfTime, OutOfMemory or DecoderDied.
    """

    def __init__(self, limits: Limits | None = None, command: Sequence[str] = COMMAND) -> None:
        self._limits, self._command = limits or Limits(), command
        self._lock = threading.Lock()
        self._child: _Child | None = None

    def __call__(self, data: bytes) -> Decoded:
        acceptable(data, self._limits.max_bytes)
        with self._lock:
            child = self._running()
            try:
                header, image = child.ask(data)
            except BaseException:  # a KeyboardInterrupt too: half an answer may stand in the pipe
                self._put_down()
                raise
            if "shape" not in header and "rejected" not in header:
                self._put_down()
        return _decoded(header, image, self._limits)

    @property
    def pid(self) -> int | None:
        """Of the child, where one runs."""
        return self._child.process.pid if self._child and self._child.process.poll() is None else None

    def close(self) -> None:
        """Ends the child; the next photo would start another. Happens by itself when this object goes."""
        with self._lock:
            self._put_down()

    def _running(self) -> _Child:
        """The child, started where there is none, where it ended, and in a fork: there `poll` finds it to be no child."""
        child = self._child
        if child is None or child.process.poll() is not None:
            self._put_down()
            self._child = child = _Child(self._command, self._limits)
        return child

    def _put_down(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


@cache
def isolated(limits: Limits) -> IsolatedDecoder:
    """The one of this process with these limits: a child serves whoever decodes here."""
    return IsolatedDecoder(limits)


def firmly(decode: Decoder) -> Decoder:
    """For pictures that nobody tries again later (references): tried twice, then rejected like a damaged one."""

    def decode_firmly(data: bytes) -> Decoded:
        with suppress(DecoderStopped):
            return decode(data)
        try:
            return decode(data)
        except DecoderStopped as error:
            raise PhotoRejected(str(error)) from error

    return decode_firmly


class _Child:
    """The running program, and the deadline of what it is asked."""

    def __init__(self, command: Sequence[str], limits: Limits) -> None:
        self._limits = limits
        self.process = _started([*command, json.dumps(asdict(limits))])
        self.end = weakref.finalize(self, _end, self.process)
        self._photos, self._answers = (stream.fileno() for stream in _streams(self.process))
        for pipe_end in (self._photos, self._answers):
            os.set_blocking(pipe_end, False)
            _widen(pipe_end)
        try:
            self._allow(START_SECONDS, "starting the decoder")
            self._read_into(memoryview(bytearray(len(READY))))
        except BaseException:
            self.end()
            raise

    def ask(self, data: bytes) -> tuple[dict[str, Any], Image]:
        """The header of the answer, and the pixels, shape (h, w, 3), where it has some."""
        self._allow(self._limits.seconds, "decoding")
        self._write(LENGTH.pack(len(data)))
        self._write(data)
        (length,) = LENGTH.unpack(self._read(LENGTH.size))
        header, (height, width) = _header(self._read(min(length, _LONGEST_HEADER)), self._limits.max_pixels)
        image = np.empty((height, width, 3), np.uint8)
        if image.size:
            self._read_into(image.data.cast("B"))
        return header, image

    def _allow(self, seconds: float, what: str) -> None:
        self._deadline = time.monotonic() + seconds
        self._too_late = OutOfTime(f"{what} took longer than {seconds:g} s and was put down")

    def _read(self, length: int) -> bytes:
        into = bytearray(length)
        self._read_into(memoryview(into))
        return bytes(into)

    def _read_into(self, into: memoryview) -> None:
        while into:
            self._wait(self._answers, select.POLLIN)
            count = os.readv(self._answers, [into])
            if not count:
                raise self._death()
            into = into[count:]

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            self._wait(self._photos, select.POLLOUT)
            try:
                left = left[os.write(self._photos, left) :]
            except BlockingIOError:
                continue  # some systems call a pipe ready that has less room than a page
            except BrokenPipeError:
                raise self._death() from None

    def _wait(self, pipe_end: int, event: int) -> None:
        ready = select.poll()
        ready.register(pipe_end, event)
        if not ready.poll(max(0.0, self._deadline - time.monotonic()) * 1000):
            raise self._too_late

    def _death(self) -> DecoderStopped:
        """Its last words, once its pipe has ended."""
        try:
            code = self.process.wait(_EOF_GRACE)
        except subprocess.TimeoutExpired:
            return DecoderDied("the decoder closed its pipe in the middle of a photo")
        if code >= 0:
            return DecoderDied(f"the decoder ended with exit code {code}; its last words are in the worker's log")
        if -code == signal.SIGALRM:
            return self._too_late
        name, words = signal.Signals(-code).name, signal.strsignal(-code)
        return DecoderDied(f"the decoder died with this photo in hand: {name} ({words})")


def _header(told: bytes, max_pixels: int) -> tuple[dict[str, Any], tuple[int, int]]:
    """The header, and the height and width of the pixels behind it. What a photo took over may answer anything."""
    try:
        header = json.loads(told)
        height, width, channels = map(int, header.get("shape", (0, 0, 3)))
    except (ValueError, TypeError, AttributeError) as error:
        raise DecoderDied(f"the decoder answered nonsense: {error}") from error
    if channels != 3 or min(height, width) < 0 or height * width > max_pixels:
        raise DecoderDied(f"the decoder answered nonsense: pixels of shape {header['shape']}")
    return header, (height, width)


def _decoded(header: dict[str, Any], image: Image, limits: Limits) -> Decoded:
    """Raises what the header says went wrong; a fault of ours as what it is, with the child's traceback as a note."""
    if "rejected" in header:
        raise PhotoRejected(header["rejected"])
    if "out_of_memory" in header:
        raise OutOfMemory(f"decoding needed more than {limits.max_mib} MiB and was put down")
    if "fault" in header:
        fault = RuntimeError(f"the decoder failed: {header['fault'].rstrip().splitlines()[-1]}")
        fault.add_note(header["fault"])
        raise fault
    taken = header["taken_at"]
    return Decoded(image, Quality(*header["quality"]), taken and datetime.fromisoformat(taken))


def _started(argv: list[str]) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(argv, stdin=pipe, stdout=pipe, bufsize=0, env=_environment(), cwd="/")
    except OSError as error:
        raise DecoderDied(f"the decoder could not be started: {error}") from error


def _streams(process: subprocess.Popen[bytes]) -> tuple[Any, Any]:
    return process.stdin, process.stdout


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill it and collect it. In a fork of its owner, whose child it is not, Popen only lets go of the pipes."""
    for stream in _streams(process):
        stream.close()
    process.kill()
    process.wait()


def _environment() -> dict[str, str]:
    """What the interpreter needs to find the same modules as this one, and nothing that is secret.

    One thread and one arena: otherwise numpy and malloc reserve address space for each core, which the memory limit counts.
    """
    path = os.pathsep.join(str(Path(part).absolute()) for part in sys.path if Path(part).exists())
    kept = {name: os.environ[name] for name in _NEEDED if name in os.environ}
    return kept | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}


def _widen(pipe_end: int) -> None:
    """Fewer turns for the pixels of a photo, where the system allows it."""
    import fcntl

    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):  # a user may have used up what all pipes together may hold
            fcntl.fcntl(pipe_end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
