"""Whether the loop of a process still turns. A module of its own: whoever beats it need not import what tells of it."""

from __future__ import annotations

import time


class Pulse:
    """Beaten by the loop of a process with every turn."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def beat(self) -> None:
        self._at = time.monotonic()

    def age(self) -> float:
        """Seconds since the last turn."""
        return time.monotonic() - self._at
