"""The sender against real sockets that behave badly: every one of them ends in an Answer, and in time."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inventory_match.domain.errors import AddressRefused, InvalidInput
from inventory_match.webhooks.sender import Answer, WebhookSender
from inventory_match.webhooks.signing import headers, new_secret

SECRET = new_secret(bytes(range(32)))
BODY = json.dumps({"type": "stock.low", "timestamp": "2026-03-14T09:26:53Z", "data": {}}).encode()
Script = Callable[[socket.socket, bytes], None]
Listen = Callable[..., Any]
"""Starts a TCP server with a script; see the `listen` fixture."""


def says(text: str, *more: str) -> Script:
    return lambda line, _: line.sendall("\r\n".join([text, *more, "", ""]).encode())


def sender(timeout: float = 2.0, total: float = 5.0, **options: object) -> WebhookSender:
    return WebhookSender(timeout, ["127.0.0.0/8"], total_timeout=total, **options)  # type: ignore[arg-type]  # passed on


def post(to: WebhookSender, url: str) -> Answer:
    return to.post(url, headers([SECRET], "msg_1", datetime(2026, 3, 14, tzinfo=UTC), BODY), BODY)


def test_a_delivery_arrives_as_it_was_signed(listen: Listen) -> None:
    listener = listen(says("HTTP/1.1 204 No Content"))
    answer = post(sender(), listener.url)
    assert (answer.status, answer.error, answer.retry_after, answer.delivered) == (204, None, None, True)
    assert 0 <= answer.duration_ms < 2000
    head, _, body = listener.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /hook?shop=1 HTTP/1.1"
    assert f"Host: 127.0.0.1:{listener.port}" in lines
    assert "webhook-id: msg_1" in lines
    assert f"Content-Length: {len(BODY)}" in lines
    assert body == BODY


def test_a_redirect_is_an_answer_and_not_followed(listen: Listen) -> None:
    other = listen(says("HTTP/1.1 204 No Content"))
    listener = listen(says("HTTP/1.1 307 Temporary Redirect", f"Location: {other.url}", "Content-Length: 0"))
    answer = post(sender(), listener.url)
    assert answer.status == 307
    assert not answer.delivered
    assert other.requests == []


def test_a_private_address_is_refused_before_anything_is_sent(listen: Listen) -> None:
    listener = listen(says("HTTP/1.1 204 No Content"))
    guarded = WebhookSender()
    plain = (
        "127.0.0.1",
        "localhost",
        "LOCALHOST.",
        "127.0.0.1.",
        "0",
        "0.0.0.0",
        "127.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
    )
    for host in (
        *plain,
        "0177.0.0.1",
        "017700000001",
        "[::]",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[fe80::1%25lo]",
    ):
        answer = post(guarded, f"https://{host}:{listener.port}/")
        assert answer.status is None
        assert answer.error is not None
        assert answer.error.startswith("AddressRefused"), (host, answer.error)
    assert listener.requests == []


def test_a_name_that_answers_differently_the_second_time_gains_nothing(listen: Listen) -> None:
    listener = listen(says("HTTP/1.1 204 No Content"))
    answers = iter([["8.8.8.8"], ["127.0.0.1"]])
    guarded = WebhookSender(resolve=lambda _host, _port: next(answers))
    guarded.check_url(f"https://rebind.example:{listener.port}/")
    answer = post(guarded, f"https://rebind.example:{listener.port}/")
    assert answer.error is not None
    assert "rebind.example is at 127.0.0.1" in answer.error
    with pytest.raises(AddressRefused, match="allowlist"):
        WebhookSender(resolve=lambda _host, _port: ["127.0.0.1"]).check_url("https://rebind.example/")
    assert listener.requests == []


def test_the_connection_goes_to_the_checked_address_and_names_the_host(listen: Listen) -> None:
    listener = listen(says("HTTP/1.1 204 No Content"))
    asked: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    answer = post(sender(resolve=resolve), f"http://no-such-name.invalid:{listener.port}/")
    assert answer.status == 204
    assert asked == ["no-such-name.invalid"]
    assert f"Host: no-such-name.invalid:{listener.port}".encode() in listener.requests[0]


def test_the_next_checked_address_is_tried_when_the_first_is_closed(listen: Listen) -> None:
    listener = listen(says("HTTP/1.1 204 No Content"))
    two = sender(resolve=lambda _host, _port: ["127.0.0.9", "127.0.0.1"])
    assert post(two, f"http://shop.example:{listener.port}/").status == 204


def test_proxy_variables_are_not_read(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = listen(says("HTTP/1.1 502 Bad Gateway"))
    listener = listen(says("HTTP/1.1 204 No Content"))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("no_proxy", "")
    assert post(sender(), listener.url).status == 204
    assert proxy.requests == []


def drip(start: bytes, byte: bytes = b"a") -> Script:
    def script(line: socket.socket, _: bytes) -> None:
        line.sendall(start)
        for _second in range(200):
            time.sleep(0.05)
            line.sendall(byte)

    return script


@pytest.mark.parametrize(
    "start", [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nX-Slow: "], ids=["nothing", "status", "head"]
)
def test_a_slow_drip_is_cut_at_the_total_bound(listen: Listen, start: bytes) -> None:
    before = time.monotonic()
    answer = post(sender(timeout=2.0, total=0.5), listen(drip(start)).url)
    assert time.monotonic() - before < 1.5
    assert answer == Answer(None, "TimeoutError: no complete answer within 0.5 s", answer.duration_ms)


def test_endless_100_continue_is_cut_at_the_total_bound(listen: Listen) -> None:
    answer = post(sender(total=0.5), listen(drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n")).url)
    assert answer.error == "TimeoutError: no complete answer within 0.5 s"


def test_a_slow_body_ends_in_the_status_that_came(listen: Listen) -> None:
    before = time.monotonic()
    answer = post(sender(total=0.5), listen(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")).url)
    assert time.monotonic() - before < 1.5
    assert answer.delivered


def test_silence_ends_at_the_timeout(listen: Listen) -> None:
    answer = post(sender(timeout=0.3), listen(lambda _line, _: time.sleep(1)).url)
    assert answer.error == "TimeoutError: timed out"
    assert answer.duration_ms < 1000


@pytest.mark.parametrize("status", ["200 OK", "500 " + "REASON" * 5])
def test_what_a_receiver_answers_is_not_shown(listen: Listen, status: str) -> None:
    answer = post(sender(), listen(says(f"HTTP/1.1 {status}", "X-Inside: HEADER", "Content-Length: 4", "", "BODY")).url)
    assert answer == Answer(int(status[:3]), None, answer.duration_ms)


def test_what_is_no_http_is_quoted_only_a_little(listen: Listen) -> None:
    answer = post(sender(), listen(says("root:x:0:0:" + "a" * 5000)).url)
    assert answer.error is not None
    assert len(answer.error) <= 300


def test_a_huge_body_is_not_read(listen: Listen) -> None:
    sent: list[int] = []

    def flood(line: socket.socket, _: bytes) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while len(sent) < 1000:
            line.sendall(bytes(1024 * 1024))
            sent.append(1)

    answer = post(sender(), listen(flood).url)
    assert answer.delivered
    assert len(sent) < 100  # MiB: what fits into the sockets' buffers, not what was offered


def reset(line: socket.socket, _: bytes) -> None:
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (reset, "ConnectionResetError"),
        (lambda _line, _: None, "RemoteDisconnected"),
        (says("SSH-2.0-OpenSSH_9.9"), "BadStatusLine"),
        (says("HTTP/1.1 200 OK", *[f"X-{i}: y" for i in range(200)]), "HTTPException: got more than 100 headers"),
        (says("HTTP/1.1 200 " + "a" * 70000), "LineTooLong"),
    ],
    ids=["reset", "hang up", "not HTTP", "too many headers", "long line"],
)
def test_a_broken_answer_is_an_error(listen: Listen, script: Script, error: str) -> None:
    answer = post(sender(), listen(script).url)
    assert answer.status is None
    assert answer.error is not None
    assert answer.error.startswith(error), answer.error


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    answer = post(sender(), f"http://127.0.0.1:{port}/")
    assert answer.error is not None
    assert answer.error.startswith("ConnectionRefusedError")


@pytest.mark.parametrize(
    ("lines", "asked"),
    [
        (["Retry-After: 120"], timedelta(seconds=120)),
        (
            ["Date: Sat, 14 Mar 2026 09:26:53 GMT", "Retry-After: Sat, 14 Mar 2026 09:36:53 GMT"],
            timedelta(minutes=10),
        ),
        (["Date: Sat, 14 Mar 2026 09:26:53 GMT", "Retry-After: Sat, 14 Mar 2026 09:16:53 GMT"], timedelta(0)),
        (["Retry-After: Sat, 14 Mar 2026 09:36:53 GMT"], None),
        (["Retry-After: soon"], None),
        (["Retry-After: -5"], None),
        ([], None),
    ],
)
def test_retry_after(listen: Listen, lines: list[str], asked: timedelta | None) -> None:
    answer = post(sender(), listen(says("HTTP/1.1 429 Too Many Requests", *lines, "Content-Length: 0")).url)
    assert (answer.status, answer.retry_after, answer.delivered) == (429, asked, False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-shop", "a\r\nHost: evil"),
        ("x-shop", "a\r\n folded"),
        ("x-shop", "a\0b"),
        ("x-shop: a\r\nx", "b"),
        ("", "b"),
        ("Host", "evil.example"),
        ("Content-Length", "0"),
        ("Transfer-Encoding", "chunked"),
    ],
)
def test_headers_that_would_inject_are_refused(listen: Listen, name: str, value: str) -> None:
    listener = listen(says("HTTP/1.1 204 No Content"))
    with pytest.raises(InvalidInput, match="headers"):
        sender().post(listener.url, {name: value}, BODY)
    assert listener.requests == []
