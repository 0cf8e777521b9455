"""Our signatures judged by the reference library, and its signatures judged by us."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from inventory_match.domain.errors import InvalidInput
from inventory_match.webhooks.signing import RETRY_WAITS, headers, new_secret, next_attempt, sign, verify

NOW = datetime.now(UTC)
"""The reference library reads the clock itself."""
SECRET = new_secret(bytes(range(32)))
OTHER = new_secret(bytes(range(1, 33)))
BODY = '{"type":"stock.low","timestamp":"2026-03-14T09:26:53Z","data":{"sku":"tea–1"}}'.encode()


def test_the_specification_s_own_example() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    at = datetime.fromtimestamp(1614265330, UTC)
    assert sign([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}') == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


@pytest.mark.parametrize("size", [24, 32, 64])
def test_a_secret_is_its_random_bytes(size: int) -> None:
    secret = new_secret(bytes(range(size)))
    assert secret.startswith("whsec_")
    assert base64.b64decode(secret.removeprefix("whsec_")) == bytes(range(size))


@pytest.mark.parametrize("size", [0, 23, 65])
def test_a_secret_too_short_or_too_long_is_refused(size: int) -> None:
    with pytest.raises(InvalidInput, match="24 to 64"):
        new_secret(bytes(size))


@pytest.mark.parametrize("secrets", [[SECRET], [SECRET, OTHER], [OTHER, SECRET]], ids=["one", "first", "second"])
def test_the_reference_library_verifies_ours(secrets: list[str]) -> None:
    # The library looks at the clock itself, so the time of signing is taken here and not when the tests were collected.
    Webhook(SECRET).verify(BODY, headers(secrets, "msg_1", datetime.now(UTC), BODY))


def test_the_reference_library_refuses_ours_with_another_secret() -> None:
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(SECRET).verify(BODY, headers([OTHER], "msg_1", datetime.now(UTC), BODY))


def test_we_verify_the_reference_library_s() -> None:
    at = NOW.replace(microsecond=0)
    signed = {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": "v1a,unknown " + Webhook(SECRET).sign("msg_1", at, BODY.decode()),
    }
    verify([OTHER, SECRET], signed, BODY, NOW)
    with pytest.raises(InvalidInput, match="no signature fits"):
        verify([OTHER], signed, BODY, NOW)


@given(st.binary(max_size=200), st.integers(0, 2**33), st.text("abcXYZ019_-", min_size=1))
def test_what_we_sign_we_verify(body: bytes, seconds: int, message_id: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    verify([SECRET], headers([SECRET], message_id, at, body), body, at)


def test_each_part_is_signed() -> None:
    good = headers([SECRET], "msg_1", NOW, BODY)
    verify([SECRET], good, BODY, NOW)
    later = str(int(NOW.timestamp()) + 1)
    for changed, body in [
        ({"webhook-id": "msg_2"}, BODY),
        ({"webhook-timestamp": later}, BODY),
        ({}, BODY + b" "),
        ({"webhook-signature": good["webhook-signature"].swapcase().replace("V1", "v1")}, BODY),
        ({"webhook-signature": "v1," + "é" * 10}, BODY),
        ({"webhook-signature": ""}, BODY),
    ]:
        with pytest.raises(InvalidInput, match="no signature fits"):
            verify([SECRET], {**good, **changed}, body, NOW)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_named(name: str) -> None:
    have = headers([SECRET], "msg_1", NOW, BODY)
    del have[name]
    with pytest.raises(InvalidInput) as refused:
        verify([SECRET], have, BODY, NOW)
    assert refused.value.key == name


@pytest.mark.parametrize(("seconds", "good"), [(-300, True), (-302, False), (300, True), (302, False)])
def test_five_minutes_either_way(seconds: int, good: bool) -> None:
    at = datetime(2026, 3, 14, tzinfo=UTC)
    signed = headers([SECRET], "msg_1", at, BODY)
    if good:
        verify([SECRET], signed, BODY, at + timedelta(seconds=seconds))
    else:
        with pytest.raises(InvalidInput, match="0:05:00 from now"):
            verify([SECRET], signed, BODY, at + timedelta(seconds=seconds))


@pytest.mark.parametrize("text", ["", "soon", "-5", "1e9", "9" * 13, "١٢٣"])
def test_a_timestamp_that_is_none(text: str) -> None:
    signed = {**headers([SECRET], "msg_1", NOW, BODY), "webhook-timestamp": text}
    with pytest.raises(InvalidInput, match="whole seconds"):
        verify([SECRET], signed, BODY, NOW)


def test_the_zone_of_the_timestamp_does_not_matter() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=9)))
    assert sign([SECRET], "msg_1", elsewhere, BODY) == sign([SECRET], "msg_1", NOW, BODY)
    with pytest.raises(ValueError, match="time zone"):
        sign([SECRET], "msg_1", NOW.replace(tzinfo=None), BODY)


@pytest.mark.parametrize("message_id", ["", "a.b", "a b", "a\r\nb", "é"])
def test_a_message_id_that_would_blur_the_signed_content(message_id: str) -> None:
    with pytest.raises(InvalidInput, match="message id"):
        sign([SECRET], message_id, NOW, BODY)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_!!not base64 at all, but long!!", "whsec_é"])
def test_a_bad_secret_is_never_shown(secret: str) -> None:
    with pytest.raises(InvalidInput, match="24 to 64 bytes") as refused:
        sign([secret], "msg_1", NOW, BODY)
    hidden = secret.removeprefix("whsec_")
    assert not hidden or hidden not in str(refused.value)


def test_without_a_secret_nothing_is_signed() -> None:
    with pytest.raises(InvalidInput, match="no secret"):
        sign([], "msg_1", NOW, BODY)


def test_the_schedule_is_walked_and_ends() -> None:
    times = [next_attempt(attempt, NOW) for attempt in range(1, 11)]
    hours = [5 / 3600, 5 / 60, 0.5, 2, 5, 10, 14, 20, 24]
    assert [at and at - NOW for at in times] == [*(timedelta(hours=wait) for wait in hours), None]


def test_jitter_lengthens_by_its_share() -> None:
    assert next_attempt(4, NOW, jitter=0.1) == NOW + timedelta(hours=2.2)


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        (timedelta(seconds=1), timedelta(seconds=5)),
        (timedelta(minutes=10), timedelta(minutes=10)),
        (timedelta(days=400), RETRY_WAITS[-1]),
    ],
)
def test_retry_after_only_lengthens_and_has_an_end(asked: timedelta, waited: timedelta) -> None:
    assert next_attempt(1, NOW, retry_after=asked) == NOW + waited


def test_a_compressed_schedule() -> None:
    schedule = [timedelta(milliseconds=10)]
    assert next_attempt(1, NOW, schedule) == NOW + schedule[0]
    assert next_attempt(2, NOW, schedule) is None
    with pytest.raises(ValueError, match="count from 1"):
        next_attempt(0, NOW, schedule)
