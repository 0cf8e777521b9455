"""How boto3 is set up: bounded timeouts, adaptive retries, and the differences between AWS and its stand-ins.

Against AWS itself give only the region: credentials then come from boto3's own chain (role, profile, environment). With an
endpoint (MinIO, Ceph, the embedded server) buckets go into the path instead of the host name, and checksums are sent only
where the protocol requires them, because older servers do not know the newer ones.
"""

from __future__ import annotations

import ipaddress
from threading import local
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0
"""Longer than the longest poll SQS offers (20 s)."""
MAX_ATTEMPTS = 4
_kept = local()


def s3_client(
    endpoint: str | None = None,
    region: str | None = None,
    access_key: str | None = None,
    secret_key: str | None = None,
    *,
    connect_timeout: float = CONNECT_TIMEOUT_S,
    read_timeout: float = READ_TIMEOUT_S,
    max_attempts: int = MAX_ATTEMPTS,
    pool: int = 10,
) -> S3Client:
    """A thread-safe S3 client; times in seconds. `pool` is how many connections it keeps."""
    config = _config(endpoint, connect_timeout, read_timeout, max_attempts, pool)
    if endpoint is not None:
        config = config.merge(
            Config(
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            )
        )
    return _session(region, access_key, secret_key).client("s3", endpoint_url=endpoint, config=config)


def sqs_client(
    endpoint: str | None = None,
    region: str | None = None,
    access_key: str | None = None,
    secret_key: str | None = None,
    *,
    connect_timeout: float = CONNECT_TIMEOUT_S,
    read_timeout: float = READ_TIMEOUT_S,
    max_attempts: int = MAX_ATTEMPTS,
) -> SQSClient:
    """A thread-safe SQS client; `read_timeout` must exceed the long poll, in seconds."""
    config = _config(endpoint, connect_timeout, read_timeout, max_attempts, 10)
    return _session(region, access_key, secret_key).client("sqs", endpoint_url=endpoint, config=config)


def _session(region: str | None, access_key: str | None, secret_key: str | None) -> boto3.session.Session:
    """Kept, because a new one reads botocore's long descriptions of the services again; one a thread, because sessions are
    not safe to build clients from in several."""
    kept: dict[tuple[str | None, ...], boto3.session.Session] = vars(_kept).setdefault("sessions", {})
    of = region, access_key, secret_key
    if of not in kept:
        kept[of] = boto3.session.Session(
            aws_access_key_id=access_key, aws_secret_access_key=secret_key, region_name=region or None
        )
    return kept[of]


def _config(endpoint: str | None, connect_timeout: float, read_timeout: float, attempts: int, pool: int) -> Config:
    options: dict[str, Any] = {}
    if endpoint is not None and _is_loopback(urlsplit(endpoint).hostname or ""):
        options["proxies"] = {}  # a company proxy cannot reach this machine's own loopback
    return Config(
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        retries={"mode": "adaptive", "total_max_attempts": attempts},
        max_pool_connections=pool,
        **options,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
