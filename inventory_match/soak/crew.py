"""The processes that are tried, kept running, and watched: who has which photo in hand, in which stage, with how much memory.

What each is doing is read from its own JSON logs, the ones operators read; so the saboteur strikes at a stage without a hook
in the product.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

import psutil

from inventory_match.embedded.supervisor import Backoff, Command, Supervisor

QUICK = Backoff(first=0.2, longest=1.0)
"""Whoever is killed on purpose comes back at once."""
_SAMPLE_S = 0.5
_AFTER = {"fetch": "decode", "decode": "detect", "detect": "embed", "embed": "settle", "settle": "rest"}

Listener = Callable[[int, str], None]
"""Called with a process number and the stage it has just begun."""


class Crew:
    """A context manager; `log` gets every line. Names beginning with `worker` count as workers."""

    def __init__(self, commands: Sequence[Command], environment: Mapping[str, str], log: Path) -> None:
        self._supervisor = Supervisor(commands, environment=environment, say=self._hear, backoff=QUICK)
        self._thread = threading.Thread(target=self._supervisor.run)
        self._watch = threading.Thread(target=self._weigh)
        self._stopping = threading.Event()
        self._path = log
        self._log: IO[str] | None = None
        self._listeners: list[Listener] = []
        self.doing: dict[int, str] = {}
        """Process number to the stage it is in."""
        self.peak_mib = 0.0
        """The most memory one worker process has had."""

    def __enter__(self) -> Self:
        self._log = self._path.open("w", encoding="utf-8")
        self._thread.start()
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._supervisor.request_stop()
        self._supervisor.request_stop()  # at once: all that is to be known is known
        self._thread.join()
        self._stopping.set()
        self._watch.join()
        if self._log is not None:
            self._log.close()

    def listen(self, listener: Listener) -> None:
        """From now on `listener` hears of every stage; it must be quick."""
        self._listeners.append(listener)

    def pid(self, name: str) -> int | None:
        """Of a program by its name; None while it is not running."""
        return self._supervisor.pids.get(name)

    def workers(self) -> list[int]:
        """Process numbers of the worker programs, without their children."""
        return [pid for name, pid in self._supervisor.pids.items() if name.startswith("worker")]

    def _hear(self, line: str) -> None:
        if self._log is not None:
            self._log.write(line + "\n")
            self._log.flush()
        with suppress(
            ValueError, KeyError, TypeError
        ):  # not every line is a stage, and a killed process ends in the middle of one
            told = json.loads(line.partition(" | ")[2])
            began = {"photo taken": "fetch", "stage done": _AFTER.get(told.get("stage"))}.get(told["event"])
            if began is not None:
                self.doing[told["process"]] = began
                for listener in self._listeners:
                    listener(told["process"], began)

    def _weigh(self) -> None:
        while not self._stopping.wait(_SAMPLE_S):
            for pid in self.workers():
                with suppress(psutil.Error):
                    parent = psutil.Process(pid)
                    for process in (parent, *parent.children(recursive=True)):
                        self.peak_mib = max(self.peak_mib, _peak_mib(process))


def _peak_mib(process: psutil.Process) -> float:
    """The kernel's own high-water mark where it keeps one, so that no peak hides between two looks."""
    with suppress(OSError, StopIteration, psutil.Error):
        lines = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024
    with suppress(psutil.Error):
        return float(process.memory_info().rss) / 2**20
    return 0.0
