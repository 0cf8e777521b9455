"""Answers of what may hang: asked by one thread at a time, kept for a moment, and never waited for longer than one says.

A server that is reachable and silent holds up whoever asks it. Here it holds up a single thread of ours, however often the
question comes: later ones wait for the same answer, each for as long as it likes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Timely(Generic[T]):
    """What `ask` answers; an answer is given again for `keep` seconds after it was asked for."""

    def __init__(self, ask: Callable[[], T], keep: float = 0.0) -> None:
        self._ask, self._keep = ask, keep
        self._lock = threading.Lock()
        self._begun = 0.0
        self._last: Future[T] | None = None

    def begin(self) -> Future[T]:
        """Asks, unless an answer is under way or fresh enough. Raises RuntimeError where no thread can be had for it."""
        with self._lock:
            age = time.monotonic() - self._begun
            if self._last is None or (self._last.done() and age >= self._keep):
                asked = Future[T]()
                threading.Thread(target=self._run, args=(asked,), daemon=True).start()
                # Kept only once somebody is there to answer it: otherwise all who come later would wait for nobody.
                self._begun, self._last = time.monotonic(), asked
            return self._last

    def answer(self, seconds: float, asked: Future[T] | None = None) -> T:
        """The answer, or what `ask` raised. Raises TimeoutError, with how long it has been asked for, after `seconds`.

        `asked`: what `begin` gave to who then waited for others first, so that an answer that came long ago still counts.
        """
        asked = asked or self.begin()
        try:
            return asked.result(max(0.0, seconds))
        except TimeoutError:
            if asked.done():  # `ask` itself raised it
                raise
            raise TimeoutError(f"no answer for {time.monotonic() - self._begun:.1f} s") from None

    def _run(self, asked: Future[T]) -> None:
        try:
            asked.set_result(self._ask())
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is waited for
            asked.set_exception(error)
