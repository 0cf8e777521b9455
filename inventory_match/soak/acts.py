"""The saboteur: which process or server is struck, and at which moment of whose work. All drawn from the seed beforehand.

An act comes due when a share of the photos has been uploaded. Those that strike a stage then wait for the next worker to
begin it (see `crew.py`), and a few milliseconds more, so that they fall into its middle and not onto its edge.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from random import Random

import structlog

from inventory_match.soak.crew import Crew
from inventory_match.soak.stand import Stand

_log = structlog.get_logger(__name__)

_PER_PHOTO = {
    "kill in fetch": 1 / 150,
    "kill in decode": 1 / 150,
    "kill in embed": 1 / 150,
    "kill in settle": 1 / 150,
    "kill after settle": 1 / 150,
    "kill worker": 1 / 400,
    "kill intake before delete": 1 / 200,
    "restart redis": 1 / 200,
    "restart postgres": 1 / 400,
    "restart postgres at once": 1 / 400,
    "receiver away": 1 / 500,
}
_LINGER_S = {"fetch": 0.008, "decode": 0.006, "embed": 0.03, "settle": 0.012, "rest": 0.003}
"""About how long a stage lasts, s: the strike comes at a random moment of it."""
AWAY_S = 12.0
"""Longer than the soak's whole webhook schedule, so that some alerts are given up."""
_GAP_S = 0.2


@dataclass(frozen=True, slots=True)
class Act:
    """Due when `share` of the storm's photos are uploaded."""

    share: float
    name: str


def make_acts(photos: int, seed: int) -> list[Act]:
    """In order; each kind at least once."""
    draw = Random(f"acts {seed}")
    names = [name for name, rate in _PER_PHOTO.items() for _ in range(math.ceil(photos * rate))]
    return sorted((Act(draw.uniform(0.05, 0.95), name) for name in names), key=lambda act: act.share)


class Saboteur:
    """Carries the acts out, one after the other, in a thread of its own between `start` and `finish`."""

    def __init__(self, stand: Stand, crew: Crew, acts: list[Act], seed: int) -> None:
        self._stand, self._crew, self._acts = stand, crew, acts
        self._draw = Random(f"moments {seed}")
        self._share = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._wanted: str | None = None
        self._struck = threading.Event()
        self.done: Counter[str] = Counter()
        self.failed: list[BaseException] = []
        crew.listen(self._hear)

    def start(self) -> None:
        self._thread.start()

    def uploaded(self, share: float) -> None:
        """How far the storm has come, 0 to 1."""
        self._share = share

    def finish(self) -> None:
        """No more acts; what is going on is carried to its end. Raises what went wrong with the sabotage itself."""
        self._over.set()
        self._thread.join()
        if self.failed:
            raise self.failed[0]

    def _work(self) -> None:
        try:
            for act in self._acts:
                while self._share < act.share:
                    if self._over.is_set():
                        return
                    time.sleep(0.02)
                self._carry_out(act.name)
                time.sleep(_GAP_S)
        except BaseException as error:  # noqa: BLE001 - raised again by `finish`, in the thread that waits
            self.failed.append(error)

    def _carry_out(self, name: str) -> None:
        _log.info("sabotage", act=name)
        kind, _, what = name.partition(" ")
        if name == "kill worker":
            victims = self._crew.workers()
            _kill(victims[self._draw.randrange(len(victims))] if victims else None, whole=True)
        elif name == "kill intake before delete":
            self._stand.s3.before_next_delete(lambda: _kill(self._crew.pid("intake"), whole=True))
        elif kind == "kill":
            if not self._strike({"after settle": "rest"}.get(what, what.removeprefix("in "))):
                return  # nobody came by: not done, and not counted as done
        elif kind == "restart":
            server, _, how = what.partition(" ")
            self._stand.machine.restart("redis" if server == "redis" else "postgres", at_once=how == "at once")
        else:
            self._stand.receiver.away = True
            self._over.wait(AWAY_S)
            self._stand.receiver.away = False
        self.done[name] += 1

    def _strike(self, stage: str, patience: float = 10.0) -> bool:
        """Kills the next process that begins the stage; False where none does."""
        self._struck.clear()
        self._wanted = stage
        struck = self._struck.wait(patience)
        self._wanted = None
        return struck

    def _hear(self, pid: int, stage: str) -> None:
        if stage != self._wanted or self._struck.is_set():
            return
        self._wanted = None
        time.sleep(self._draw.uniform(0, _LINGER_S.get(stage, 0.01)))
        _kill(pid)
        self._struck.set()


def _kill(pid: int | None, *, whole: bool = False) -> None:
    """-9; with `whole`, to everything the process has started."""
    if pid is not None:
        with suppress(ProcessLookupError):
            (os.killpg if whole else os.kill)(pid, signal.SIGKILL)
