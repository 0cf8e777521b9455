"""A decoder that a photo cannot take its worker down with: the parsers run in a child process, under limits.

A photo that hangs, crashes or swallows memory costs the child, which is started again for the next photo; the worker raises a
`DecoderStopped` that says which of them it was, and goes on. The child knows no secrets: it gets a minimal environment, its
own two pipes, and the worker's standard error. It is `decoding`, which tells what is said on the pipes.

Plain `subprocess`, because Celery's pool processes are daemonic and may not use multiprocessing.
"""

from __future__ import annotations

import json
import math
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
from typing import Any

import numpy as np

from inventory_match.domain.errors import (
    DecoderDied,
    DecoderStopped,
    OutOfMemory,
    OutOfTime,
    PhotoRejected,
    ServiceUnavailable,
)
from inventory_match.domain.photos import Quality
from inventory_match.ports import Decoded, Decoder
from inventory_match.vision.decoding import LENGTH, READY, Limits
from inventory_match.vision.images import acceptable

COMMAND = (sys.executable, "-P", "-W", "ignore", "-m", "inventory_match.vision.decoding")
_PIPE_BYTES = 2**20
_LONGEST_HEADER = 2**16
_NEEDED = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME")
_EOF_GRACE = 2.0
_NONSENSE = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError)
"""What comes of reading an answer that is none."""


class IsolatedDecoder:
    """A `ports.Decoder`, safe for threads: one photo at a time, in one child per process, started when first needed.

    `command` is the child's program; the limits follow it as one more argument. Raises PhotoRejected as `images.decoder`
    does, where the photo took the child with it OutOfTime, OutOfMemory or DecoderDied, and where no child could be started,
    which says nothing about the photo, ServiceUnavailable.
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
                return child.ask(data)
            except PhotoRejected:
                raise  # an answer like any other, after which the child goes on
            except BaseException:  # a KeyboardInterrupt too: half an answer may stand in the pipe
                self._put_down()
                raise

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
    """For pictures that nobody tries again later (references): tried twice, then rejected like a damaged one.

    Not where the decoder did not even start: that is the machine's trouble, and whoever asks may wait for its end.
    """

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
            self._allow(limits.start_seconds, "starting the decoder")
            self._read(len(READY))
        except BaseException as error:
            self.end()
            if isinstance(error, DecoderStopped):  # it has seen no photo yet
                raise ServiceUnavailable(f"the decoder could not be started: {error}") from error
            raise

    def ask(self, data: bytes) -> Decoded:
        """Its answer. Raises what the answer says went wrong, and DecoderDied for one that is nonsense: what a photo took
        over may answer anything."""
        self._allow(self._limits.seconds, "decoding")
        self._write(LENGTH.pack(len(data)))
        self._write(data)
        (length,) = LENGTH.unpack(self._read(LENGTH.size))
        told = self._read(min(length, _LONGEST_HEADER))
        try:
            return self._decoded(json.loads(told))
        except _NONSENSE as error:
            raise DecoderDied(f"the decoder answered nonsense: {error!r}") from error

    def _decoded(self, header: dict[str, Any]) -> Decoded:
        """With the pixels behind the header. Raises a fault of ours as what it is, the child's traceback as a note."""
        if "rejected" in header:
            raise PhotoRejected(header["rejected"] + "")
        if "out_of_memory" in header:
            raise OutOfMemory(f"decoding needed more than {self._limits.max_mib} MiB and was put down")
        if "fault" in header:
            fault = RuntimeError(f"the decoder failed: {header['fault'].rstrip().splitlines()[-1]}")
            fault.add_note(header["fault"])
            raise fault
        height, width, channels = map(int, header["shape"])
        if channels != 3 or min(height, width) < 1 or height * width > self._limits.max_pixels:
            raise ValueError(f"pixels of shape {header['shape']}")
        figures, taken = [float(figure) for figure in header["quality"]], header["taken_at"]
        if not all(map(math.isfinite, figures)):
            raise ValueError(f"a quality of {figures}")
        quality, taken_at = Quality(*figures), None if taken is None else datetime.fromisoformat(taken)
        image = np.empty((height, width, 3), np.uint8)
        self._read_into(image.data.cast("B"))
        return Decoded(image, quality, taken_at)

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
        name = next((each.name for each in signal.Signals if each == -code), f"signal {-code}")  # some have no name
        words = signal.strsignal(-code)
        return DecoderDied(f"the decoder died with this photo in hand: {name} ({words})")


def _started(argv: list[str]) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(argv, stdin=pipe, stdout=pipe, bufsize=0, env=_environment(), cwd="/")
    except OSError as error:
        raise ServiceUnavailable(f"the decoder could not be started: {error}") from error


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
