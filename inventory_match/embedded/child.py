"""One process we started: in a session of its own, guarded by the warden, stopped by signals that grow in force.

A session of its own keeps the terminal's Ctrl-C away from it: only its owner decides when it stops.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from inventory_match.embedded.warden import Warden

GENTLY = ((signal.SIGTERM, 10.0),)
"""Ask once, wait ten seconds; SIGKILL follows by itself."""


@dataclass(frozen=True, slots=True)
class Account:
    """The system user a process runs as."""

    name: str
    uid: int
    gid: int


class Child:
    """A running process and everything it started in its group.

    `force` is what `stop` tries in order: (signal, seconds to wait). `output` is an open file, or None for a pipe
    that the caller reads from `self.process.stdout`. `feed` is written to its standard input, which is otherwise
    empty.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        warden: Warden,
        output: IO[bytes] | None,
        force: Sequence[tuple[int, float]] = GENTLY,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        account: Account | None = None,
        feed: bytes | None = None,
    ) -> None:
        self.name, self._force, self._warden = name, force, warden
        self.process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL if feed is None else subprocess.PIPE,
            stdout=output or subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment) if environment is not None else None,
            cwd=directory,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
        warden.guard(self.process.pid, force[0][0], sum(seconds for _, seconds in force))
        if self.process.stdin is not None:
            with suppress(BrokenPipeError), self.process.stdin as stdin:  # it ended at once: its log says why
                stdin.write(feed or b"")

    def code(self) -> int | None:
        """The exit code (minus the signal's number when a signal ended it), or None while it runs."""
        code = self.process.poll()
        if code is not None:
            self._sweep()
        return code

    def stop(
        self, *, force: Sequence[tuple[int, float]] | None = None, hurried: Callable[[], bool] = lambda: False
    ) -> bool:
        """Stop it and wait until it is gone. True when it went by itself, False when it had to be killed.

        `force` is tried in place of its own; empty kills it at once. `hurried` is asked all the while; once it says True
        the rest of the grace is skipped.
        """
        for stop_signal, seconds in self._force if force is None else force:
            if self.code() is None and not hurried():
                self.process.send_signal(stop_signal)
                self._wait(seconds, hurried)
        went = self.code() is not None
        if not went:
            self.process.kill()
            self.process.wait()
        self._sweep()
        return went

    def _wait(self, seconds: float, hurried: Callable[[], bool]) -> None:
        until = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < until and not hurried():
            time.sleep(0.02)

    def _sweep(self) -> None:
        """What the process itself left behind in its group (a pool's workers) goes with it."""
        with suppress(ProcessLookupError, PermissionError):  # PermissionError: macOS says so of a group of zombies
            os.killpg(self.process.pid, signal.SIGKILL)
        self._warden.release(self.process.pid)
