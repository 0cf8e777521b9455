"""Who retries: every answer of AWS as Transient, Permanent or 'gone'."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    ReadTimeoutError,
)

from inventory_match.domain.errors import ConfigurationError, PhotoRejected, PhotoSuperseded, ServiceUnavailable
from inventory_match.s3.failures import aws_errors

GONE = PhotoSuperseded("gone")


def answer(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "told"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]  # botocore fills the rest
        "GetObject",
    )


@pytest.mark.parametrize(
    ("error", "expected", "told"),
    [
        (answer("InternalError", 500), ServiceUnavailable, "reading x: InternalError told"),
        (answer("503", 503), ServiceUnavailable, "503"),
        (answer("SlowDown", 503), ServiceUnavailable, "SlowDown"),
        (answer("Throttling", 400), ServiceUnavailable, "Throttling"),
        (answer("RequestTimeout", 400), ServiceUnavailable, "RequestTimeout"),
        (answer("429", 429), ServiceUnavailable, "429"),
        (answer("NoSuchKey", 404), PhotoSuperseded, "gone"),
        (answer("404", 404), PhotoSuperseded, "gone"),
        (answer("NoSuchVersion", 404), PhotoSuperseded, "gone"),
        (answer("PreconditionFailed", 412), PhotoSuperseded, "gone"),
        (answer("MethodNotAllowed", 405), PhotoSuperseded, "gone"),
        (answer("InvalidArgument", 400), PhotoSuperseded, "gone"),
        (answer("NoSuchBucket", 404), ConfigurationError, "create it, or correct its name"),
        (answer("AccessDenied", 403), ConfigurationError, "allowed s3:GetObject; without s3:ListBucket"),
        (answer("SignatureDoesNotMatch", 403), ConfigurationError, "check the credentials"),
        (answer("RequestTimeTooSkewed", 403), ConfigurationError, "set this machine's clock"),
        (answer("InvalidObjectState", 403), PhotoRejected, "restore it first"),
        (answer("NotImplemented", 501), ConfigurationError, "NotImplemented"),
        (EndpointConnectionError(endpoint_url="http://x"), ServiceUnavailable, "reading x"),
        (ReadTimeoutError(endpoint_url="http://x"), ServiceUnavailable, "timeout"),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), ServiceUnavailable, "1 read"),
        (NoCredentialsError(), ConfigurationError, "credentials"),
    ],
)
def test_translation(error: ClientError | BotoCoreError, expected: type[Exception], told: str) -> None:
    with pytest.raises(expected, match=told) as caught, aws_errors("reading x", grant="s3:GetObject", gone=GONE):
        raise error
    assert caught.value.__cause__ is error


def test_without_gone_nothing_is_superseded() -> None:
    with pytest.raises(ConfigurationError, match="NoSuchKey"), aws_errors("writing x", grant="s3:PutObject"):
        raise answer("NoSuchKey", 404)


def test_other_errors_pass_untouched() -> None:
    with pytest.raises(ZeroDivisionError), aws_errors("reading x", grant="s3:GetObject"):
        raise ZeroDivisionError
