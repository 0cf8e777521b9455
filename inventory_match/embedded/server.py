"""What the three servers have in common: a log file, a start that ends when the server answers, a stop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from inventory_match.domain.errors import ServiceUnavailable
from inventory_match.embedded.child import Child
from inventory_match.embedded.warden import Warden

START_SECONDS = 60.0
"""A crashed Postgres may have to replay its log before it answers."""
_TAIL_LINES = 20


class NotYet(Exception):
    """The server does not answer, which is normal while it starts. Never leaves this module's `start`."""


class Server(ABC):
    """One server on loopback with its data under `directory`."""

    name: str
    crash: Sequence[tuple[int, float]] = ()
    """What stops it as a crash would: signals and seconds to wait, then SIGKILL."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory, self.port = directory, port
        self.log = directory / "logs" / f"{self.name}.log"
        self._child: Child | None = None

    @abstractmethod
    def launch(self, warden: Warden) -> Child:
        """Prepare the files and start the process."""

    @abstractmethod
    def probe(self) -> None:
        """Ask the server something; raise NotYet while it does not answer."""

    def start(self, warden: Warden) -> None:
        """Start, and return when the server answers. Raises ServiceUnavailable with the end of its log."""
        self.log.parent.mkdir(exist_ok=True)
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".log.old"))
        self._child = self.launch(warden)
        try:
            self._wait_for_answer()
        except BaseException:
            self.stop()
            raise

    def restart(self, warden: Warden, *, at_once: bool) -> None:
        """Stop (`at_once` as a crash would) and start on the same port with the same data; `check` sees no death in it."""
        child, self._child = self._child, None
        if child is not None:
            child.stop(force=self.crash if at_once else None)
        self.start(warden)

    def check(self) -> None:
        """Raise ServiceUnavailable when the process has ended by itself."""
        code = self._child.code() if self._child else None
        if code is not None:
            raise ServiceUnavailable(self._with_log(f"{self.name} ended with code {code}"))

    def stop(self) -> None:
        """Stop the process if it runs. A `start` in another thread, still waiting for the answer, then fails."""
        if self._child is not None:
            self._child.stop()

    @property
    def pid(self) -> int | None:
        """The process number while it runs."""
        return self._child.process.pid if self._child and self._child.code() is None else None

    def _wait_for_answer(self) -> None:
        attempts = Retrying(
            retry=retry_if_exception_type(NotYet), stop=stop_after_delay(START_SECONDS), wait=wait_fixed(0.03)
        )
        try:
            attempts(self._ask)
        except RetryError as error:
            raise ServiceUnavailable(self._with_log(f"{self.name} did not answer in {START_SECONDS:.0f} s")) from error

    def _ask(self) -> None:
        self.check()
        self.probe()

    def _with_log(self, problem: str) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.exists() else []
        return "\n    ".join([f"{problem}; the end of {self.log}:", *lines[-_TAIL_LINES:]])
