"""The endpoint of one process: is it alive, can it work, what are its figures?

`/healthz` is for whoever restarts processes: it fails only where a restart could help, so never because a server is away.
`/readyz` looks at what the process needs. Both, and `/metrics`, are answered by threads of the process' own, whatever its pool
is busy with, and in bounded time, whatever hangs. Nothing here takes input but the path, and nothing shows a secret.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import structlog

from inventory_match import measures
from inventory_match.bootstrap import App
from inventory_match.checkup import READY, READY_TO_SEE, Check, Checkup, Verdict
from inventory_match.vitals.pulse import Pulse
from inventory_match.vitals.truth import Truth

if TYPE_CHECKING:
    from inventory_match.settings import Settings

READY_SECONDS = 2.0
KEEP = 1.0
PORTS = 16
MOST_AT_ONCE = 16
STALLED = 120.0
"""Seconds without a turn: then a loop hangs. A long poll takes 20, a statement 60, Celery tries Redis every 30."""
JSON, TEXT = "application/json", "text/plain; version=0.0.4; charset=utf-8"
Answer = tuple[int, str, bytes]
_log = structlog.get_logger(__name__)


class Watched:
    """What one process tells of itself. `role`: worker, intake or beat."""

    def __init__(self, role: str, app: App, pulse: Pulse) -> None:
        self._role, self._app, self._pulse = role, app, pulse
        self._ready = Checkup(app, READY_TO_SEE if role == "worker" else READY, KEEP)
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
        if age > STALLED and any(check.name == "redis" and check.verdict is Verdict.FAIL for check in self._checks()):
            self._pulse.beat()  # it waits for Redis, and may go on waiting for a while once that is back
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


class Endpoint(ThreadingHTTPServer):
    """Serves from its making until `close`. Raises OSError where the port is taken."""

    daemon_threads = True

    def __init__(self, watched: Watched, host: str, port: int) -> None:
        self.watched = watched
        self._free = threading.BoundedSemaphore(MOST_AT_ONCE)
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)
        threading.Thread(target=self.serve_forever, args=(0.2,), name="endpoint", daemon=True).start()

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # not HTTPServer's: it asks DNS for our name
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        del request, client_address
        _log.warning("request not answered", exc_info=True)

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        self.watched.close()


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint
    timeout = 5  # whoever sends slowly is let go
    server_version, sys_version = "inventory-match", ""

    def do_GET(self) -> None:
        status, kind, body = self.server.watched.answer(self.path)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the base class's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        del format, args


def open_endpoint(role: str, settings: Settings, pulse: Pulse) -> Endpoint | None:
    """The endpoint the settings ask for, on the first free of `PORTS` ports from theirs on; None where they ask for none.

    A process does not stay away from its work because nobody can watch it: where no port can be had, that is logged.
    """
    if settings.metrics_port is None:
        return None
    watched, first = Watched(role, App(settings), pulse), settings.metrics_port
    for port in range(first, min(first + PORTS, 65536)) if first else [0]:
        try:
            made = Endpoint(watched, settings.metrics_host, port)
        except OSError as error:
            cause = error
            if error.errno == errno.EADDRINUSE:
                continue  # another process of this machine
            break
        _log.info("health and metrics", role=role, host=settings.metrics_host, port=made.server_port)
        return made
    _log.error("no health and metrics", role=role, host=settings.metrics_host, port=first, cause=str(cause))
    return None
