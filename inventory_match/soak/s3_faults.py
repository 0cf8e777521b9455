"""S3 and SQS on a bad day: a proxy on loopback that refuses, stalls and cuts what the plan says, and passes on the rest.

A photo's trouble belongs to its key, so that it does not depend on which worker asks first. The answers have the form of
AWS's own. A trap may be set for the moment between a committed photo and the delete of its message.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import unquote, urlsplit

from inventory_match.embedded.loopback import HOST
from inventory_match.soak.plan import Shot, Trouble

SILENCE_S = 4.0
"""How long a silent server says nothing; the soak's readers give up sooner."""
_CODES = {
    "500": "InternalError", "503": "SlowDown", "403": "AccessDenied", "404": "NoSuchKey",
}  # fmt: skip
_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "expect", "keep-alive"}
_DELETES = "AmazonSQS.DeleteMessageBatch"


class FaultyS3:
    """A context manager in front of `upstream` (http://host:port). `shots` say which reads meet which trouble."""

    def __init__(self, upstream: str, bucket: str, shots: Iterable[Shot]) -> None:
        parts = urlsplit(upstream)
        self._upstream = (str(parts.hostname), int(parts.port or 80))
        self._left: dict[str, tuple[Trouble, int]] = {
            f"/{bucket}/{shot.key}": (shot.trouble, shot.refusals) for shot in shots if shot.trouble
        }
        self._lock = threading.Lock()
        self._trap: Callable[[], None] | None = None
        self._storm = True
        self.met: Counter[str] = Counter()
        """How often each trouble was met."""
        self._server = _Server((HOST, 0), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def calm(self) -> None:
        """From now on everything is passed on."""
        self._storm, self._trap = False, None

    def before_next_delete(self, strike: Callable[[], None]) -> None:
        """When messages are next deleted, `strike` is called instead, and nobody answers."""
        self._trap = strike

    def trouble(self, method: str, path: str) -> Trouble:
        """What this request meets."""
        if method != "GET" or not self._storm:
            return ""
        with self._lock:
            found = self._left.get(unquote(path))
            if found is None or not found[1]:
                return ""
            self._left[unquote(path)] = (found[0], found[1] - 1)
            self.met[found[0]] += 1
        return found[0]

    def sprung(self, target: str) -> Callable[[], None] | None:
        """The trap, where this request is the one it was set for."""
        if target != _DELETES:
            return None
        with self._lock:
            trap, self._trap = self._trap, None
        return trap

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[HTTPResponse, bytes]:
        """The real server's answer."""
        with closing(HTTPConnection(*self._upstream, timeout=60)) as connection:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer, answer.read()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], faults: FaultyS3) -> None:
        self.faults = faults
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients are killed in the middle of an answer all the time: nothing to say."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _pass_on(self) -> None:
        faults = self.server.faults
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if strike := faults.sprung(self.headers.get("X-Amz-Target", "")):
            strike()
            self.close_connection = True
            return
        trouble = faults.trouble(self.command, urlsplit(self.path).path)
        if trouble == "silence":
            time.sleep(SILENCE_S)
            self.close_connection = True
        elif trouble in _CODES:
            self._answer(int(trouble), {"Content-Type": "application/xml"}, _error(_CODES[trouble]))
        else:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            answer, found = faults.ask(self.command, self.path, headers, body)
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP}
            length = answer.getheader("Content-Length") if self.command == "HEAD" else None
            self._answer(answer.status, kept, found, cut=trouble == "cut", length=length)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815 - http.server's names

    def _answer(
        self, status: int, headers: dict[str, str], body: bytes, *, cut: bool = False, length: str | None = None
    ) -> None:
        self.send_response_only(status)
        for name, value in {**headers, "Content-Length": length or str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut

    def log_message(self, _format: str, *_args: object) -> None:
        """Nothing: what was met is counted."""


def _error(code: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>a bad day</Message></Error>'.encode()
    )
