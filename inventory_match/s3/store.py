"""The bucket: reads photos under a byte cap, writes pictures, lists what is there.

A read is pinned to the version the event named (VersionId, else If-Match on the ETag), so that a photo replaced before it
was read is told as superseded and never mistaken for its successor.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from inventory_match.domain.errors import PhotoRejected, PhotoSuperseded
from inventory_match.domain.photos import ObjectRef, PhotoUploaded
from inventory_match.s3.failures import aws_errors
from inventory_match.s3.names import photo_ref

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import PaginatorConfigTypeDef

_CHUNK_BYTES = 1024 * 1024


class S3Store:
    """Any S3-compatible server. Satisfies `ports.PhotoStore`.

    Every method raises ServiceUnavailable where another try may help and ConfigurationError where rights or names are wrong.
    """

    def __init__(self, client: S3Client, byte_cap: int, page_size: int = 1000) -> None:
        self._client = client
        self._byte_cap = byte_cap
        self._paging: PaginatorConfigTypeDef = {"PageSize": page_size}

    def fetch(self, ref: ObjectRef) -> bytes:
        """The bytes of exactly this version; a ref with neither version nor ETag reads what is there now.

        Raises PhotoSuperseded when the version is gone or replaced, PhotoRejected over the byte cap, ServiceUnavailable
        when the body ends early.
        """
        gone = _superseded(ref)
        grant = "s3:GetObjectVersion" if ref.version_id else "s3:GetObject"
        with aws_errors(f"reading s3://{ref.bucket}/{ref.key}", grant=grant, gone=gone):
            answer = self._client.get_object(Bucket=ref.bucket, Key=ref.key, **_pin(ref))
            with closing(answer["Body"]) as body:
                self._refuse_over_cap(ref, answer.get("ContentLength", 0))
                return self._read(ref, body)

    def _read(self, ref: ObjectRef, body: StreamingBody) -> bytes:
        # botocore itself compares the bytes read with the announced length; a short body raises IncompleteReadError.
        data = bytearray()
        for chunk in body.iter_chunks(_CHUNK_BYTES):
            data += chunk
            self._refuse_over_cap(ref, len(data))
        return bytes(data)

    def _refuse_over_cap(self, ref: ObjectRef, size: int) -> None:
        if size > self._byte_cap:
            raise PhotoRejected(f"s3://{ref.bucket}/{ref.key}: {size} bytes are over the cap of {self._byte_cap}")

    def put(
        self, bucket: str, key: str, data: bytes, content_type: str = "image/jpeg", *, if_absent: bool = False
    ) -> ObjectRef:
        """Write an object and return its name. With `if_absent` an object already there stays and is named instead."""
        with aws_errors(f"writing s3://{bucket}/{key}", grant="s3:PutObject and s3:GetObject"):
            condition: dict[str, Any] = {"IfNoneMatch": "*"} if if_absent else {}
            try:
                put = self._client.put_object(Bucket=bucket, Key=key, Body=data, ContentType=content_type, **condition)
            except ClientError as error:
                if not (if_absent and error.response.get("Error", {}).get("Code") == "PreconditionFailed"):
                    raise
                there = self._client.head_object(Bucket=bucket, Key=key)
                return photo_ref(bucket, key, there.get("VersionId"), there["ETag"])
            return photo_ref(bucket, key, put.get("VersionId"), put["ETag"])

    def delete(self, ref: ObjectRef) -> None:
        """Remove exactly this version: what is gone already is fine, and what replaced it stays."""
        gone = _superseded(ref)
        grant = "s3:DeleteObjectVersion" if ref.version_id else "s3:DeleteObject and s3:GetObject"
        with suppress(PhotoSuperseded), aws_errors(f"deleting s3://{ref.bucket}/{ref.key}", grant=grant, gone=gone):
            self._client.delete_object(Bucket=ref.bucket, Key=ref.key, **_pin(ref))

    def list_objects(self, bucket: str, prefix: str = "") -> Iterator[PhotoUploaded]:
        """Everything under the prefix, page by page, named as events name it: every version where the bucket keeps them.

        `event_time` is when the object was last modified; there is no sequencer.
        """
        grant = "s3:ListBucket, s3:ListBucketVersions and s3:GetBucketVersioning"
        with aws_errors(f"listing s3://{bucket}/{prefix}", grant=grant):
            for found in self._entries(bucket, prefix):
                ref = photo_ref(bucket, found["Key"], found.get("VersionId"), found["ETag"])
                yield PhotoUploaded(ref, found["LastModified"].astimezone(UTC), found["Size"])

    def _entries(self, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
        where: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, "PaginationConfig": self._paging}
        if self._keeps_versions(bucket):
            for versions in self._client.get_paginator("list_object_versions").paginate(**where):
                yield from cast("list[dict[str, Any]]", versions.get("Versions", []))
        else:
            for page in self._client.get_paginator("list_objects_v2").paginate(**where):
                yield from cast("list[dict[str, Any]]", page.get("Contents", []))

    def _keeps_versions(self, bucket: str) -> bool:
        try:
            return "Status" in self._client.get_bucket_versioning(Bucket=bucket)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "NotImplemented":  # a server that knows no versions
                return False
            raise


def _superseded(ref: ObjectRef) -> PhotoSuperseded:
    return PhotoSuperseded(f"s3://{ref.bucket}/{ref.key} no longer holds {ref.version or 'an object'}")


def _pin(ref: ObjectRef) -> dict[str, Any]:
    if ref.version_id:
        return {"VersionId": ref.version_id}
    return {"IfMatch": f'"{ref.etag}"'} if ref.etag else {}
