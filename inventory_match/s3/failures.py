"""Every way AWS says no, as Transient or Permanent: the one place that reads error codes.

What passes by itself (no answer, overload, a body cut short) is ServiceUnavailable. What a person must mend (rights, names,
credentials) is ConfigurationError and says what to grant. An object that is no longer there is the caller's to name: pass
`gone`, and it is raised instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ChecksumError,
    ClientError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError

from inventory_match.domain.errors import ConfigurationError, InventoryMatchError, PhotoRejected, ServiceUnavailable

_PASSING = (
    BotoConnectionError,
    ChecksumError,
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
)
_PASSING_CODES = {
    "ConditionalRequestConflict",
    "OperationAborted",
    "OverLimit",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestTimeout",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
# MethodNotAllowed: the version id names a delete marker. PreconditionFailed: the ETag pinned by If-Match is no longer the
# object's. InvalidArgument: the text is no version id at all. The figures are what a HEAD answers, which has no body.
_GONE = {"NoSuchKey", "NoSuchVersion", "MethodNotAllowed", "PreconditionFailed", "InvalidArgument", "404", "405", "412"}
_ADVICE = {
    "NoSuchBucket": "create it, or correct its name in the settings",
    "QueueDoesNotExist": "create it, or correct its address in the settings",
    "AWS.SimpleQueueService.NonExistentQueue": "create it, or correct its address in the settings",
    "RequestTimeTooSkewed": "set this machine's clock",
}


@contextmanager
def aws_errors(doing: str, *, grant: str, gone: InventoryMatchError | None = None) -> Iterator[None]:
    """Translate botocore's errors. `doing` names the object or queue, `grant` the IAM actions it takes."""
    try:
        yield
    except ClientError as error:
        raise _answered(error, doing, grant, gone) from error
    except (*_PASSING, ResponseParserError) as error:
        raise ServiceUnavailable(f"{doing}: {error}") from error
    except BotoCoreError as error:
        raise ConfigurationError(f"{doing}: {error}") from error


def _answered(error: ClientError, doing: str, grant: str, gone: InventoryMatchError | None) -> InventoryMatchError:
    answer = error.response.get("Error", {})
    code, told = str(answer.get("Code", "")), str(answer.get("Message", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    text = f"{doing}: {code} {told}".rstrip()
    if (status >= 500 and status != 501) or status == 429 or code in _PASSING_CODES:
        return ServiceUnavailable(text)
    if gone is not None and code in _GONE:
        return gone
    if code == "InvalidObjectState":
        return PhotoRejected(f"{text} (the object is archived: restore it first)")
    advice = _ADVICE.get(code, "")
    if not advice and status in (401, 403):
        advice = f"check the credentials, and that they are allowed {grant}"
        if gone is not None:
            advice += "; without s3:ListBucket S3 answers the same for an object that is gone"
    return ConfigurationError(f"{text} ({advice})" if advice else text)
