"""A moto server of this module's own, and clients to it."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from moto.server import ThreadedMotoServer
from mypy_boto3_s3 import S3Client
from mypy_boto3_sqs import SQSClient

from inventory_match.s3.clients import s3_client, sqs_client


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def s3(endpoint: str) -> S3Client:
    return s3_client(endpoint, "us-east-1", "test", "test")


@pytest.fixture(scope="module")
def sqs(endpoint: str) -> SQSClient:
    return sqs_client(endpoint, "us-east-1", "test", "test")


@pytest.fixture
def bucket(s3: S3Client) -> str:
    name = f"photos-{uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def versioned(s3: S3Client, bucket: str) -> str:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket
