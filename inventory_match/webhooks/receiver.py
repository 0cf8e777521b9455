"""A small receiver on loopback: verifies each webhook, tells a callback, answers 204 or 401.

It serves `inventory-match webhooks listen`, the demo and the tests. For fault tests it can answer a list of other statuses
first. It is no production receiver: it keeps nothing, and does not recognise a message it has had before.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from inventory_match.domain.errors import InvalidInput
from inventory_match.webhooks.signing import verify

MAX_BODY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    """One POST. `payload` is its JSON, None where it is none; `answered` is the status it got; `complaint` says why it
    was not verified."""

    message_id: str
    type: str
    verified: bool
    payload: Any
    answered: int
    complaint: str | None = None


class WebhookReceiver:
    """Listens from construction on, serves between `start` and `stop`, or as a context manager.

    `first_statuses` are answered, one a request, before it begins to judge; with 429 and 503 goes a Retry-After of
    `retry_after` seconds. The callback runs in the request's own thread, before the answer is sent: when it raises, the
    sender gets none.
    """

    def __init__(
        self,
        secrets: Iterable[str],
        on_message: Callable[[Received], None],
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        first_statuses: Iterable[int] = (),
        retry_after: int = 1,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._secrets = tuple(secrets)
        self._on_message = on_message
        self._first_statuses = deque(first_statuses)
        self._retry_after = retry_after
        self._now = now
        self._server = _Server((host, port), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}/"

    def trust(self, *secrets: str) -> None:
        """From now on verify with these: a webhook's secret is often drawn only after its address is known."""
        self._secrets = secrets

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def take(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str]]:
        """Judge one request, tell the callback, and say what to answer: status and headers."""
        complaint = None
        try:
            verify(self._secrets, headers, body, self._now())
        except InvalidInput as error:
            complaint = str(error)
        status = 204 if complaint is None else 401
        with suppress(IndexError):
            status = self._first_statuses.popleft()  # atomic, so that two requests at once get two of them
        payload = _json(body)
        kind = payload.get("type") if isinstance(payload, dict) else None
        message_id = headers.get("webhook-id", "")
        self._on_message(Received(message_id, str(kind or ""), complaint is None, payload, status, complaint))
        return status, {"Retry-After": str(self._retry_after)} if status in (429, 503) else {}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], receiver: WebhookReceiver) -> None:
        self.receiver = receiver
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    server: _Server

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            self._answer(413 if length.isdecimal() else 411, {})
            return
        body = self.rfile.read(int(length))
        self._answer(*self.server.receiver.take({name.lower(): value for name, value in self.headers.items()}, body))

    def _answer(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0", "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, _format: str, *_args: object) -> None:
        """Nothing: the callback has been told."""


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
