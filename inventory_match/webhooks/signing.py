"""Standard Webhooks, pure: secrets, signatures, their verification, and when to try again.

The signed content is `id.timestamp.body`, the signature HMAC-SHA256 in base64 behind `v1,`. While a secret rotates, the
header carries one signature a secret, separated by spaces, so that a receiver with either secret verifies.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from inventory_match.domain.errors import InvalidInput

PREFIX = "whsec_"
TOLERANCE = timedelta(minutes=5)
"""How old, or how far ahead, a signed timestamp may be."""
RETRY_WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""Waits after the first, second, ... failed attempt."""

_MESSAGE_ID = re.compile(r"[A-Za-z0-9_\-]{1,200}")
"""No full stop: it separates the parts of the signed content."""


def new_secret(random: bytes) -> str:
    """A secret from 24 to 64 random bytes; the caller draws them (`secrets.token_bytes(32)`)."""
    if not 24 <= len(random) <= 64:
        raise InvalidInput(f"a webhook secret needs 24 to 64 random bytes, not {len(random)}", key="secret")
    return PREFIX + base64.b64encode(random).decode()


def check_secret(secret: str) -> None:
    """Raises InvalidInput, which shows nothing of it, where the text is no secret."""
    _key(secret)


def sign(secrets: Sequence[str], message_id: str, timestamp: datetime, body: bytes) -> str:
    """The `webhook-signature` header: one `v1,` signature for each secret, the current one first."""
    if not secrets:
        raise InvalidInput("no secret to sign with", key="secret", cure="run: inventory-match webhooks rotate")
    if not _MESSAGE_ID.fullmatch(message_id):
        raise InvalidInput(f"message id {message_id!r} holds more than letters, digits, _ and -", key="webhook-id")
    return " ".join(_signature(secret, message_id, str(_seconds(timestamp)), body) for secret in secrets)


def headers(secrets: Sequence[str], message_id: str, timestamp: datetime, body: bytes) -> dict[str, str]:
    """The headers of one delivery of a JSON body."""
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(_seconds(timestamp)),
        "webhook-signature": sign(secrets, message_id, timestamp, body),
    }


def verify(
    secrets: Sequence[str],
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
    tolerance: timedelta = TOLERANCE,
) -> None:
    """Return when one signature fits one of the secrets; raise InvalidInput naming the header that is wrong.

    Header names are taken in any case. The comparison takes the same time whatever the signature is.
    """
    have = {name.lower(): value for name, value in headers.items()}
    message_id, sent, signatures = (have.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not message_id:
        raise InvalidInput("header is missing", key="webhook-id")
    if not re.fullmatch(r"[0-9]{1,12}", sent):
        raise InvalidInput("header is missing or not whole seconds since 1970", key="webhook-timestamp")
    if abs(now.timestamp() - int(sent)) > tolerance.total_seconds():
        raise InvalidInput(f"further than {tolerance} from now", key="webhook-timestamp", cure="check both clocks")
    expected = [_signature(secret, message_id, sent, body).encode() for secret in secrets]
    given = [part.encode() for part in signatures.split(" ")]
    if not any(hmac.compare_digest(mine, theirs) for mine in expected for theirs in given):
        raise InvalidInput("no signature fits the secret", key="webhook-signature", cure="compare the secrets")


def next_attempt(
    attempt: int,
    now: datetime,
    schedule: Sequence[timedelta] = RETRY_WAITS,
    jitter: float = 0.0,
    retry_after: timedelta | None = None,
) -> datetime | None:
    """When to try again after failed attempt number `attempt` (the first is 1); None when the schedule is used up.

    `jitter` lengthens the wait by that share (0.1: up to a tenth; the caller draws it), so that a receiver coming back is
    not met by everyone at once. A receiver's Retry-After is honoured where it is longer, up to the schedule's longest wait.
    """
    if attempt < 1:
        raise ValueError(f"attempts count from 1, not {attempt}")
    if attempt > len(schedule):
        return None
    wait = schedule[attempt - 1] * (1 + jitter)
    if retry_after is not None:
        wait = max(wait, min(retry_after, max(schedule)))
    return now + wait


def _signature(secret: str, message_id: str, seconds: str, body: bytes) -> str:
    content = f"{message_id}.{seconds}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(_key(secret), content, hashlib.sha256)).decode()


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        key = b""
    if not 24 <= len(key) <= 64:  # the message must never show any of it
        raise InvalidInput(
            "is not whsec_ and 24 to 64 bytes in base64", key="secret", cure="let `webhooks add` draw one"
        )
    return key


def _seconds(timestamp: datetime) -> int:
    if timestamp.tzinfo is None:
        raise ValueError("the timestamp of a webhook needs a time zone")
    return int(timestamp.astimezone(UTC).timestamp())
