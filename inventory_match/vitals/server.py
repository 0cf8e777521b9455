"""How a process is asked: a small HTTP server on threads of its own that takes no input but a path.

Nobody holds it up: it serves a few at a time, and lets go of whoever takes too long to ask or to read. It knows nothing of
what it answers, and imports nothing that must not be imported before a worker forks.
"""

from __future__ import annotations

import errno
import socket
import socketserver
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Protocol

import structlog

if TYPE_CHECKING:
    from inventory_match.settings import Settings

PORTS = 16
MOST_AT_ONCE = 16
REQUEST_SECONDS = 8.0
"""From a connection to the last byte of the answer, which itself may take three."""
JSON, TEXT = "application/json", "text/plain; version=0.0.4; charset=utf-8"
Answer = tuple[int, str, bytes]
_log = structlog.get_logger(__name__)


class Site(Protocol):
    """What is served."""

    def answer(self, path: str) -> Answer:
        """Status, content type and body."""

    def close(self) -> None:
        """Lets go of what the answers needed."""


class Endpoint(ThreadingHTTPServer):
    """Serves from its making until `close`. Raises OSError where the port is taken.

    `leaves`: whether `close` leaves requests under way to their threads, or waits for them (`REQUEST_SECONDS` at most) so
    that no thread of it is there any more.
    """

    def __init__(self, site: Site, host: str, port: int, *, leaves: bool = True) -> None:
        self.site, self.daemon_threads = site, leaves
        self._free = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._under_way: dict[Any, float] = {}
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)
        self._loop = threading.Thread(target=self.serve_forever, args=(0.2,), name="endpoint", daemon=True)
        self._loop.start()

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # not HTTPServer's: it asks DNS for our name
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        self._under_way[request] = time.monotonic()
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be had
            self._done(request)
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._done(request)

    def service_actions(self) -> None:
        """With every turn of the loop. A handler's own timeout is for one byte: who sends one now and then would stay."""
        late = time.monotonic() - REQUEST_SECONDS
        for request, begun in list(self._under_way.items()):
            if begun < late:
                with suppress(OSError):  # it was just done
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        del request, client_address
        _log.warning("request not answered", exc_info=True)

    def close(self) -> None:
        self.shutdown()
        self._loop.join()
        if not self.daemon_threads:
            self._hang_up()
        self.server_close()
        self.site.close()

    def _hang_up(self) -> None:
        """The loop that would let go of those who are slow turns no more."""
        for request in list(self._under_way):
            with suppress(OSError):
                request.shutdown(socket.SHUT_RD)

    def _done(self, request: Any) -> None:
        del self._under_way[request]
        self._free.release()


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint
    timeout = 5  # whoever sends nothing at all is let go
    server_version, sys_version = "inventory-match", ""

    def do_GET(self) -> None:
        status, kind, body = self.server.site.answer(self.path)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the base class's names

    def handle(self) -> None:
        with suppress(ConnectionError):  # it went away, or was let go
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        del format, args


def listen(role: str, settings: Settings, site: Site, *, leaves: bool = True) -> Endpoint | None:
    """The endpoint the settings ask for, on the first free of `PORTS` ports from theirs on; None where they ask for none.

    A process does not stay away from its work because nobody can watch it: where no port can be had, that is logged.
    """
    if settings.metrics_port is None:
        return None
    first = settings.metrics_port
    for port in range(first, min(first + PORTS, 65536)) if first else [0]:
        try:
            made = Endpoint(site, settings.metrics_host, port, leaves=leaves)
        except OSError as error:
            cause = error
            if error.errno == errno.EADDRINUSE:
                continue  # another process of this machine
            break
        _log.info(
            "health and metrics" if leaves else "health until it begins",
            role=role,
            host=settings.metrics_host,
            port=made.server_port,
        )
        return made
    _log.error("no health and metrics", role=role, host=settings.metrics_host, port=first, cause=str(cause))
    return None
