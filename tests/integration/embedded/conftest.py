"""A data directory, an S3 client, and the contents of the queue."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inventory_match.embedded.machine import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Machine
from inventory_match.s3.clients import s3_client, sqs_client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def data() -> Iterator[Path]:
    """A directory of this test's own. Not in pytest's, which root alone may enter: Postgres does not run as root."""
    made = Path(tempfile.mkdtemp(prefix="inventory-match-test-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def s3_of() -> Callable[[Machine], S3Client]:
    """An S3 client that tries once."""
    return lambda machine: s3_client(
        machine.s3_endpoint, machine.region, ACCESS_KEY_ID, SECRET_ACCESS_KEY, max_attempts=1
    )


@pytest.fixture
def drain() -> Callable[[Machine], list[dict[str, Any]]]:
    """Takes everything out of a machine's queue and returns the bodies."""

    def drain(machine: Machine) -> list[dict[str, Any]]:
        sqs = sqs_client(machine.s3_endpoint, machine.region, ACCESS_KEY_ID, SECRET_ACCESS_KEY)
        bodies = []
        while messages := sqs.receive_message(QueueUrl=machine.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                bodies.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=machine.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    return drain
