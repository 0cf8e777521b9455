"""Our sender and our receiver over a real socket, and the reference library's signature at our receiver."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from standardwebhooks.webhooks import Webhook

from inventory_match.webhooks.receiver import Received, WebhookReceiver
from inventory_match.webhooks.sender import WebhookSender
from inventory_match.webhooks.signing import headers, new_secret

SECRET = new_secret(bytes(range(32)))
OTHER = new_secret(bytes(range(1, 33)))
PAYLOAD = {"type": "stock.low", "timestamp": "2026-03-14T09:26:53Z", "data": {"sku": "tea–1"}}
BODY = json.dumps(PAYLOAD).encode()
SENDER = WebhookSender(5.0, ["127.0.0.1"])


@pytest.fixture
def heard() -> list[Received]:
    return []


@pytest.fixture
def receiver(heard: list[Received]) -> Iterator[WebhookReceiver]:
    with WebhookReceiver([SECRET], heard.append) as running:
        yield running


def signed(secret: str = SECRET, at: datetime | None = None) -> dict[str, str]:
    return headers([secret], "msg_1", at or datetime.now(UTC), BODY)


def test_a_delivery_is_verified_and_told(receiver: WebhookReceiver, heard: list[Received]) -> None:
    assert SENDER.post(receiver.url, signed(), BODY).status == 204
    assert heard == [Received("msg_1", "stock.low", True, PAYLOAD, 204)]


def test_the_reference_library_is_understood(receiver: WebhookReceiver, heard: list[Received]) -> None:
    at = datetime.now(UTC).replace(microsecond=0)
    theirs = {
        "webhook-id": "msg_2",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_2", at, BODY.decode()),
    }
    assert SENDER.post(receiver.url, theirs, BODY).delivered
    assert heard[0].verified


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        (lambda: signed(OTHER), "no signature fits"),
        (lambda: signed(at=datetime.now(UTC) - timedelta(minutes=6)), "from now"),
        (lambda: {"content-type": "application/json"}, "header is missing"),
    ],
    ids=["another secret", "too old", "unsigned"],
)
def test_what_does_not_verify_gets_401(
    receiver: WebhookReceiver, heard: list[Received], sent: Callable[[], dict[str, str]], complaint: str
) -> None:
    assert SENDER.post(receiver.url, sent(), BODY).status == 401
    assert not heard[0].verified
    assert complaint in str(heard[0].complaint)


def test_a_body_that_is_no_json_is_still_told(receiver: WebhookReceiver, heard: list[Received]) -> None:
    body = b"hello"
    assert SENDER.post(receiver.url, headers([SECRET], "msg_1", datetime.now(UTC), body), body).status == 204
    assert (heard[0].type, heard[0].payload) == ("", None)


def test_a_secret_learned_later(heard: list[Received]) -> None:
    with WebhookReceiver([], heard.append) as receiver:
        assert SENDER.post(receiver.url, signed(), BODY).status == 401
        receiver.trust(OTHER, SECRET)
        assert SENDER.post(receiver.url, signed(), BODY).status == 204


def test_told_to_fail_first(heard: list[Received]) -> None:
    with WebhookReceiver([SECRET], heard.append, first_statuses=[500, 429, 302], retry_after=7) as receiver:
        answers = [SENDER.post(receiver.url, signed(), BODY) for _ in range(4)]
    assert [answer.status for answer in answers] == [500, 429, 302, 204]
    assert [answer.retry_after for answer in answers] == [None, timedelta(seconds=7), None, None]
    assert [(message.answered, message.verified) for message in heard] == [
        (500, True),
        (429, True),
        (302, True),
        (204, True),
    ]


@pytest.mark.parametrize(("length", "status"), [("1048577", 413), ("many", 411), ("-1", 411), (None, 411)])
def test_a_length_it_will_not_read(
    receiver: WebhookReceiver, heard: list[Received], length: str | None, status: int
) -> None:
    where = urlsplit(receiver.url)
    line = http.client.HTTPConnection(str(where.hostname), where.port, timeout=5)
    line.putrequest("POST", "/")
    if length is not None:
        line.putheader("Content-Length", length)
    line.endheaders()
    assert line.getresponse().status == status
    line.close()
    assert heard == []


def test_it_listens_on_loopback_only(receiver: WebhookReceiver) -> None:
    assert urlsplit(receiver.url).hostname == "127.0.0.1"
