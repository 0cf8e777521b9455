"""What a worker tells of itself before it has begun, while it waits for a server or for a schema.

Whoever restarts processes would restart it again and again, which brings no server back. It looks at nothing and is gone, with
every thread of it, before the pool forks: a thread that held a lock at that moment would hold it in each child for ever.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from inventory_match.vitals.server import JSON, Answer, listen

if TYPE_CHECKING:
    from inventory_match.settings import Settings

_DETAIL = "the process has not begun; its log says for what it waits"


@contextmanager
def answered_meanwhile(role: str, settings: Settings) -> Iterator[None]:
    """Answers where the settings want it, as the process itself will."""
    opened = listen(role, settings, _NotBegun(role), leaves=False)
    try:
        yield
    finally:
        if opened is not None:
            opened.close()


class _NotBegun:
    """Alive, and not ready."""

    def __init__(self, role: str) -> None:
        self._role = role

    def answer(self, path: str) -> Answer:
        match path.partition("?")[0]:
            case "/healthz":
                return _json(200, {"alive": True, "role": self._role, "pid": os.getpid(), "begun": False})
            case "/readyz" | "/metrics":
                check = {"check": "begun", "verdict": "fail", "detail": _DETAIL}
                return _json(503, {"ready": False, "checks": [check]})
        return _json(404, {"error": "there are /healthz, /readyz and /metrics"})

    def close(self) -> None:
        """Nothing was opened for it."""


def _json(status: int, told: object) -> Answer:
    return status, JSON, f"{json.dumps(told)}\n".encode()
