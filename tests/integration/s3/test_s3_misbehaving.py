"""The store against a server that refuses, stalls, lies and hangs up: every failure is Transient or Permanent as it should."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest

from inventory_match.domain.errors import ConfigurationError, PhotoRejected, PhotoSuperseded, ServiceUnavailable
from inventory_match.domain.photos import ObjectRef
from inventory_match.s3.clients import s3_client
from inventory_match.s3.store import S3Store

CAP = 1000


@dataclass
class Script:
    """What the misbehaving server answers to every GET, how long it then stays silent, and what it was asked."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    pause: float = 0.0
    asked: list[str] = field(default_factory=list)
    endpoint: str = ""


@pytest.fixture
def misbehave() -> Iterator[Callable[..., Script]]:
    servers: list[ThreadingHTTPServer] = []

    def start(status: int, body: bytes = b"", headers: dict[str, str] | None = None, pause: float = 0.0) -> Script:
        script = Script(status, headers or {"Content-Length": str(len(body))}, body, pause)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                script.asked.append(self.path)
                self.send_response(script.status)
                for name, value in script.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(script.body)
                time.sleep(script.pause)

            def log_message(self, _format: str, *_args: object) -> None:
                """Nothing: the test looks at `asked`."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        script.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        return script

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def fetch_from(script: Script, *, attempts: int = 1, read_timeout: float = 2.0) -> bytes:
    client = s3_client(script.endpoint, "us-east-1", "test", "test", max_attempts=attempts, read_timeout=read_timeout)
    return S3Store(client, CAP).fetch(ObjectRef("photos", "a b.jpg", None, "abc"))


def error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>told</Message></Error>".encode()


@pytest.mark.parametrize(
    ("status", "body", "expected", "told"),
    [
        (403, error("AccessDenied"), ConfigurationError, r"s3://photos/a b.jpg: AccessDenied.*allowed s3:GetObject"),
        (503, error("SlowDown"), ServiceUnavailable, "SlowDown"),
        (500, b"<html>oops", ServiceUnavailable, "500"),
        (502, b"", ServiceUnavailable, "502"),
        (412, error("PreconditionFailed"), PhotoSuperseded, "no longer holds abc"),
        (405, error("MethodNotAllowed"), PhotoSuperseded, "no longer holds abc"),
    ],
)
def test_a_server_that_refuses(
    misbehave: Callable[..., Script], status: int, body: bytes, expected: type[Exception], told: str
) -> None:
    with pytest.raises(expected, match=told):
        fetch_from(misbehave(status, body))


def test_a_body_that_ends_early_is_tried_again_later(misbehave: Callable[..., Script]) -> None:
    with pytest.raises(ServiceUnavailable, match=r"reading s3://photos/a b\.jpg"):
        fetch_from(misbehave(200, b"half a pho", {"Content-Length": "20"}))


def test_the_cap_holds_where_no_length_is_announced(misbehave: Callable[..., Script]) -> None:
    with pytest.raises(PhotoRejected, match="2000 bytes are over the cap"):
        fetch_from(misbehave(200, bytes(CAP * 2), {"Content-Type": "image/jpeg"}))


def test_over_the_cap_nothing_is_read(misbehave: Callable[..., Script]) -> None:
    before = time.monotonic()
    with pytest.raises(PhotoRejected, match="1000000000 bytes are over the cap"):
        fetch_from(misbehave(200, b"the start", {"Content-Length": "1000000000"}, pause=3))
    assert time.monotonic() - before < 2


def test_a_server_that_is_away_is_tried_as_often_as_told_then_transient(misbehave: Callable[..., Script]) -> None:
    script = misbehave(503, error("SlowDown"))
    with pytest.raises(ServiceUnavailable):
        fetch_from(script, attempts=2)
    assert script.asked == [f"/photos/{quote('a b.jpg')}"] * 2


def test_a_silent_server_is_transient_within_the_timeout(misbehave: Callable[..., Script]) -> None:
    before = time.monotonic()
    with pytest.raises(ServiceUnavailable, match=r"reading s3://photos/a b\.jpg"):
        fetch_from(misbehave(200, b"half", {"Content-Length": "20"}, pause=6), read_timeout=0.5)
    assert time.monotonic() - before < 5
