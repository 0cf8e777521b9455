"""Several long-running programs in one terminal: started together, restarted alone, stopped in order.

Each runs in a session of its own, so the terminal's Ctrl-C reaches only us, and we decide: the first SIGINT or
SIGTERM stops the programs one after the other, the last started first, each with its grace to finish what is in its
hands; the second kills whatever is left. A program that ends by itself is started again after a delay that doubles
while it keeps failing.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import FrameType

from inventory_match.domain.errors import ConfigurationError
from inventory_match.embedded.child import Child
from inventory_match.embedded.warden import Warden

_POLL_SECONDS = 0.1
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Command:
    """A program: its name (in front of every line), its arguments, its seconds between SIGTERM and SIGKILL."""

    name: str
    argv: Sequence[str]
    grace: float = 10.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds before a restart: `first`, doubled with each failure up to `longest`; a run of `longest` starts anew."""

    first: float = 1.0
    longest: float = 60.0

    def delay(self, failures: int) -> float:
        return float(min(self.first * 2 ** (failures - 1), self.longest))


_BACKOFF = Backoff()


class Supervisor:
    """Runs `commands` (started in this order, stopped in the reverse) with `environment` until told to stop.

    `say` gets every line to show, without its line end, from several threads but one at a time; when it raises
    OSError (the terminal is gone) everything is stopped. `check` is called all the while; what it raises (a server
    has died) stops everything and leaves `run`.
    """

    def __init__(
        self,
        commands: Sequence[Command],
        *,
        environment: Mapping[str, str],
        say: Callable[[str], None],
        check: Callable[[], None] = lambda: None,
        backoff: Backoff = _BACKOFF,
    ) -> None:
        self._commands, self._check, self._backoff = commands, check, backoff
        self._environment = {**environment, "PYTHONUNBUFFERED": "1"}  # lines appear when they are written
        self._say_plainly, self._saying, self._listener_gone = say, threading.Lock(), False
        self._width = max((len(command.name) for command in commands), default=0)
        self._requests = 0
        self._runs: list[_Run] = []

    def run(self) -> None:
        """Blocks until a stop is asked for and everything has ended. Handles signals when called in the main thread."""
        with _signals(self.request_stop):
            warden = Warden()
            self._runs = [
                _Run(command, self._environment, warden, self._backoff, self._say) for command in self._commands
            ]
            try:
                while not self._requests:
                    self._check()
                    for run in self._runs:
                        run.keep_up()
                    time.sleep(_POLL_SECONDS)
            finally:
                for run in reversed(self._runs):
                    run.stop(hurried=lambda: self._requests > 1)
                warden.close()

    def request_stop(self) -> None:
        """Once: stop in order. Again: at once. Callable from any thread and from signal handlers."""
        self._requests += 1

    @property
    def pids(self) -> dict[str, int]:
        """Process number of each program that runs at this moment."""
        return {run.name: run.pid for run in self._runs if run.pid is not None}

    def _say(self, name: str, line: str) -> None:
        with self._saying:
            if self._listener_gone:
                return  # the programs must be able to write on until they have stopped
            try:
                self._say_plainly(f"{name:<{self._width}} | {line}")
            except OSError:
                self._listener_gone = True
                self.request_stop()


class _Run:
    """One command through all its restarts."""

    def __init__(
        self,
        command: Command,
        environment: Mapping[str, str],
        warden: Warden,
        backoff: Backoff,
        say: Callable[[str, str], None],
    ) -> None:
        self._command, self._environment, self._warden, self._backoff = command, environment, warden, backoff
        self._say = partial(say, command.name)
        self._child: Child | None = None
        self._reader: threading.Thread | None = None
        self._started = self._due = 0.0
        self._failures = 0

    @property
    def name(self) -> str:
        return self._command.name

    @property
    def pid(self) -> int | None:
        child = self._child
        return None if child is None else child.process.pid

    def keep_up(self) -> None:
        """Start what is due; notice what has ended and set when it is due again."""
        now = time.monotonic()
        if self._child is None:
            if now >= self._due:
                self._start(now)
        elif (code := self._child.code()) is not None:
            self._forget()
            self._failures = 1 if now - self._started >= self._backoff.longest else self._failures + 1
            delay = self._backoff.delay(self._failures)
            self._due = now + delay
            self._say(f"ended by itself ({_how(code)}); starting it again in {delay:g} s")

    def stop(self, *, hurried: Callable[[], bool]) -> None:
        """Stop it if it runs, and wait for its end."""
        if self._child is not None:
            self._say("stopping")
            went = self._child.stop(hurried=hurried)
            self._forget()
            self._say("stopped" if went else "killed before it had stopped")

    def _start(self, now: float) -> None:
        try:
            self._child = Child(
                self._command.name,
                self._command.argv,
                warden=self._warden,
                output=None,
                force=((signal.SIGTERM, self._command.grace),),
                environment=self._environment,
            )
        except OSError as error:
            raise ConfigurationError(f"{self._command.name} cannot be started: {error}") from error
        self._started = now
        self._reader = threading.Thread(target=self._relay, args=(self._child,), daemon=True)
        self._reader.start()

    def _relay(self, child: Child) -> None:
        if child.process.stdout is not None:
            with child.process.stdout as lines:
                for line in lines:
                    self._say(line.decode("utf-8", "replace").rstrip("\r\n"))

    def _forget(self) -> None:
        if self._reader is not None:
            self._reader.join(timeout=2)  # its last lines come before what we say about its end
        self._child = self._reader = None


def _how(code: int) -> str:
    return f"code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


@contextmanager
def _signals(request_stop: Callable[[], None]) -> Iterator[None]:
    """Turn the stop signals into requests; without effect outside the main thread, where Python allows no handlers."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        request_stop()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handle) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
