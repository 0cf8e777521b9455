"""The endpoint of one process: is it alive, can it work, what are its figures?

`/healthz` is for whoever restarts processes: it fails only where a restart could help, so never because a server is away.
`/readyz` looks at what the process needs. Both, and `/metrics`, are answered by threads of the process' own, whatever its pool
is busy with, and in bounded time, whatever hangs. Nothing here takes input but the path, and nothing shows a secret.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import structlog

from inventory_match import measures
from inventory_match.bootstrap import App
from inventory_match.checkup import READY, READY_TO_SEE, READY_TO_TAKE_IN, Check, Checkup, Verdict
from inventory_match.vitals.pulse import Pulse
from inventory_match.vitals.server import JSON, TEXT, Answer, Endpoint, listen
from inventory_match.vitals.truth import Truth

if TYPE_CHECKING:
    from inventory_match.settings import Settings

READY_SECONDS = 2.0
KEEP = 1.0
STALLED = 120.0
"""Seconds without a turn: then a loop hangs. A long poll takes 20, a statement 60, Celery tries Redis every 30."""
_NEEDED = {"worker": READY_TO_SEE, "intake": READY_TO_TAKE_IN}
_SERVERS = frozenset({"postgres", "redis", "queue"})
"""Checks that fail where a server is away: what waits for it hangs for no fault of its own."""
_log = structlog.get_logger(__name__)


class Watched:
    """What one process tells of itself. `role`: worker, intake or beat."""

    def __init__(self, role: str, app: App, pulse: Pulse) -> None:
        self._role, self._app, self._pulse = role, app, pulse
        self._ready = Checkup(app, _NEEDED.get(role, READY), KEEP)
        self._truth = Truth(app)

    def close(self) -> None:
        if "engine" in vars(self._app):  # asking for it would build it
            self._app.engine.dispose()

    def answer(self, path: str) -> Answer:
        match path.partition("?")[0]:
            case "/healthz":
                return self._healthz()
            case "/readyz":
                return self._readyz()
            case "/metrics":
                return 200, TEXT, self._metrics()
        return 404, JSON, b'{"error": "there are /healthz, /readyz and /metrics"}\n'

    def _healthz(self) -> Answer:
        age = self._pulse.age()
        if age > STALLED and any(c.name in _SERVERS and c.verdict is Verdict.FAIL for c in self._checks()):
            self._pulse.beat()  # it waits for a server, and may go on waiting for a while once that is back
            age = 0.0
        alive = age <= STALLED
        told = {"alive": alive, "role": self._role, "pid": os.getpid(), "loop_turned_seconds_ago": round(age, 1)}
        return 200 if alive else 503, JSON, f"{json.dumps(told)}\n".encode()

    def _readyz(self) -> Answer:
        checks = self._checks()
        ready = all(check.verdict is not Verdict.FAIL for check in checks)
        lines = ",\n".join(json.dumps(_told(check)) for check in checks)
        return 200 if ready else 503, JSON, f'{{"ready": {json.dumps(ready)}, "checks": [\n{lines}\n]}}\n'.encode()

    def _checks(self) -> list[Check]:
        return self._ready.checks(READY_SECONDS)

    def _metrics(self) -> bytes:
        truth = self._truth.exposed()
        try:
            return measures.exposed() + truth
        except (OSError, ValueError, RuntimeError) as error:  # a folder that is gone, a file that is no longer whole
            _log.warning("figures of the processes cannot be read", cause=f"{type(error).__name__}: {error}")
            return truth


def _told(check: Check) -> dict[str, str]:
    told = {"check": check.name, "verdict": str(check.verdict), "detail": check.detail}
    return told | ({"cure": check.cure} if check.cure and check.verdict is not Verdict.OK else {})


def open_endpoint(role: str, settings: Settings, pulse: Pulse) -> Endpoint | None:
    """The endpoint of this process, where the settings ask for one."""
    return listen(role, settings, Watched(role, App(settings), pulse))
