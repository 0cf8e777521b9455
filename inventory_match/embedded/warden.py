"""A tiny second process that outlives ours just long enough to stop what we started.

`kill -9` gives a process no chance to stop its servers. The warden holds the read end of a pipe whose only writer is
us; when we die, however we die, it reads the end of file, stops every process it was told of (its own signal first,
SIGKILL after the grace) and removes the temporary directories it was told of. It works on every POSIX system and from
any thread, which PR_SET_PDEATHSIG does not: that signal comes when the *thread* that started the child ends.

This file is also the warden's program. It runs with `-I -S`, so it may import the standard library only.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


class Warden:
    """Our end of the pipe. `hold` are file descriptors (a lock's) that stay open until the warden is done too."""

    def __init__(self, *, hold: Sequence[int] = ()) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            pass_fds=hold,
            start_new_session=True,
        )

    def guard(self, pid: int, stop_signal: int, grace: float) -> None:
        """When we are gone: `stop_signal` to process `pid`, and after `grace` seconds SIGKILL to its group."""
        self._tell(f"guard {pid} {int(stop_signal)} {grace}")

    def release(self, pid: int) -> None:
        """`pid` has ended; its number may be someone else's soon."""
        self._tell(f"release {pid}")

    def remove_at_end(self, directory: Path) -> None:
        """Remove `directory` when we are gone and everything guarded has ended."""
        self._tell(f"remove {directory}")

    def close(self) -> None:
        """Let the warden go. What is still guarded is stopped by it now."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):  # it died before us: nothing is left to tell it
                self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        if self._process.stdin is None:
            raise RuntimeError("the warden was started without a pipe")
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()


def _ended(pid: int) -> bool:
    """A zombie has ended too: in a container nobody may ever collect it."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except ProcessLookupError:
        return True
    except OSError:  # no /proc on this system, or the process has gone in between: look again
        return False


def _stop_all(guarded: dict[int, tuple[int, float]]) -> None:
    began = time.monotonic()
    for pid, (stop_signal, _) in guarded.items():
        with suppress(ProcessLookupError):
            os.kill(pid, stop_signal)
    for pid, (_, grace) in guarded.items():
        while not _ended(pid) and time.monotonic() - began < grace:
            time.sleep(0.02)
        with suppress(ProcessLookupError, PermissionError):  # PermissionError: macOS says so of a group of zombies
            os.killpg(pid, signal.SIGKILL)


def watch() -> None:
    """Read orders until the pipe ends, then carry them out."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)  # it ends with its owner, not with the terminal
    guarded: dict[int, tuple[int, float]] = {}
    directories: list[str] = []
    for line in sys.stdin.buffer:
        order, _, rest = os.fsdecode(line.rstrip(b"\n")).partition(" ")
        if order == "guard":
            pid, stop_signal, grace = rest.split()
            guarded[int(pid)] = (int(stop_signal), float(grace))
        elif order == "release":
            guarded.pop(int(rest), None)
        elif order == "remove":
            directories.append(rest)
    _stop_all(guarded)
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    watch()
