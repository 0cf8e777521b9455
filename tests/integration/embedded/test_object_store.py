"""The S3 stand-in through its protocol: any key, and for every way to change an object its event and its file."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus
from uuid import uuid4

import pytest
import urllib3
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from inventory_match.embedded.machine import Machine
from inventory_match.embedded.object_files import ObjectFiles, ObjectRecord

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ODD_KEYS = [
    "café ☃/日本.jpg",
    "a+b c%20d&e=f?g#h.jpg",
    "k" * 1024,
    "double//slash",
    "/leading",
    "folder/",
    "./dots/../y",
    "..",
    "~!@$^*()'\";:[]{}|\\<>,",
]


@pytest.fixture
def s3(machine: Machine, s3_of: Callable[[Machine], S3Client]) -> S3Client:
    return s3_of(machine)


@pytest.fixture
def announced(
    machine: Machine, drain: Callable[[Machine], list[dict[str, Any]]]
) -> Callable[[], list[tuple[str, str]]]:
    """(event, key) of what happened in the bucket since the last call."""
    drain(machine)

    def read() -> list[tuple[str, str]]:
        records = [record for body in drain(machine) for record in body.get("Records", [])]
        return [(record["eventName"], unquote_plus(record["s3"]["object"]["key"])) for record in records]

    return read


def stored(machine: Machine, bucket: str) -> dict[str, bytes]:
    """What the files say the bucket holds."""
    files = ObjectFiles(machine.data / "objects")
    found = [(path, record) for path, record in files.objects(bucket) if isinstance(record, ObjectRecord)]
    return {record.key: files.read(path)[1] for path, record in found if not record.delete_marker}


@pytest.mark.parametrize("key", ODD_KEYS, ids=range(len(ODD_KEYS)))
def test_any_key_is_stored_announced_and_kept(
    machine: Machine, s3: S3Client, announced: Callable[[], list[tuple[str, str]]], key: str
) -> None:
    body = uuid4().bytes
    etag = s3.put_object(Bucket=machine.bucket, Key=key, Body=body, ContentType="image/jpeg")["ETag"]
    assert announced() == [("ObjectCreated:Put", key)]
    got = s3.get_object(Bucket=machine.bucket, Key=key, IfMatch=etag)
    assert (got["Body"].read(), got["ContentType"]) == (body, "image/jpeg")
    assert stored(machine, machine.bucket)[key] == body


def test_every_way_to_change_an_object_reaches_the_disk(machine: Machine, s3: S3Client) -> None:
    bucket = f"ways-{uuid4().hex}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="put", Body=b"first")
    s3.put_object(Bucket=bucket, Key="put", Body=b"second")
    s3.copy_object(Bucket=bucket, Key="copied", CopySource={"Bucket": bucket, "Key": "put"})
    large = b"x" * 6_000_000
    parts = TransferConfig(multipart_threshold=5_300_000, multipart_chunksize=5_300_000)
    s3.upload_fileobj(io.BytesIO(large), bucket, "parts", Config=parts)
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "by url"})
    assert urllib3.request("PUT", url, body=b"url").status == 200
    form = s3.generate_presigned_post(bucket, "by form")
    assert urllib3.request("POST", form["url"], fields={**form["fields"], "file": ("f", b"form")}).status == 204
    expected = {"put": b"second", "copied": b"second", "parts": large, "by url": b"url", "by form": b"form"}
    assert stored(machine, bucket) == expected

    s3.delete_object(Bucket=bucket, Key="put")
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "copied"}, {"Key": "parts"}]})
    assert not gone.get("Errors")
    assert stored(machine, bucket) == {"by url": b"url", "by form": b"form"}


def test_removals_are_announced(machine: Machine, s3: S3Client, announced: Callable[[], list[tuple[str, str]]]) -> None:
    s3.put_object(Bucket=machine.bucket, Key="gone", Body=b"x")
    s3.delete_object(Bucket=machine.bucket, Key="gone")
    assert announced() == [("ObjectCreated:Put", "gone"), ("ObjectRemoved:Delete", "gone")]


def test_a_deleted_bucket_leaves_no_files(machine: Machine, s3: S3Client) -> None:
    bucket = f"short-{uuid4().hex}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="k")
    s3.delete_bucket(Bucket=bucket)
    assert not (machine.data / "objects" / bucket).exists()


def test_uploads_at_the_same_time_are_each_kept(
    machine: Machine, s3_of: Callable[[Machine], S3Client], s3: S3Client
) -> None:
    """Several writers on few keys: what S3 serves afterwards is what the files hold."""
    bucket = f"race-{uuid4().hex}"
    s3.create_bucket(Bucket=bucket)

    def upload(writer: int) -> None:
        client = s3_of(machine)
        for turn in range(12):
            key = f"shared-{turn % 3}" if turn % 2 else f"own-{writer}-{turn}"
            client.put_object(Bucket=bucket, Key=key, Body=f"{writer} {turn}".encode())

    with ThreadPoolExecutor(4) as writers:
        list(writers.map(upload, range(4)))
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert len(keys) == 4 * 6 + 3
    assert stored(machine, bucket) == {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def test_bytes_damaged_on_the_disk_are_not_served(machine: Machine, s3: S3Client) -> None:
    s3.put_object(Bucket=machine.bucket, Key="rots", Body=b"a photo")
    path: Path = ObjectFiles(machine.data / "objects").path(machine.bucket, "rots", "null")
    path.write_bytes(path.read_bytes().replace(b"a photo", b"b photo"))
    with pytest.raises(ClientError, match="500"):
        s3.get_object(Bucket=machine.bucket, Key="rots")
    s3.put_object(Bucket=machine.bucket, Key="rots", Body=b"a photo")
    assert s3.get_object(Bucket=machine.bucket, Key="rots")["Body"].read() == b"a photo"


def test_what_moto_offers_beside_aws_is_closed(machine: Machine, s3: S3Client) -> None:
    """One request to /moto-api/reset would forget everything, and with open CORS any web page could send it."""
    s3.put_object(Bucket=machine.bucket, Key="stays", Body=b"x")
    assert urllib3.request("POST", f"{machine.s3_endpoint}/moto-api/reset").status == 404
    assert s3.get_object(Bucket=machine.bucket, Key="stays")["Body"].read() == b"x"
    foreign = urllib3.request("GET", f"{machine.s3_endpoint}/{machine.bucket}", headers={"Origin": "http://evil.test"})
    assert "Access-Control-Allow-Origin" not in foreign.headers


def test_a_photo_is_not_accepted_when_the_disk_does_not_take_it(machine: Machine, s3: S3Client) -> None:
    """A file where the object's folder should be stands for a full disk: writing raises OSError all the same."""
    files = ObjectFiles(machine.data / "objects")
    places = ((key, files.path(machine.bucket, key, "null").parent) for key in map("no room {}".format, range(999)))
    key, folder = next((key, folder) for key, folder in places if not folder.exists())  # others' objects share folders
    folder.write_bytes(b"")
    try:
        with pytest.raises(ClientError, match="could not store it"):
            s3.put_object(Bucket=machine.bucket, Key=key, Body=b"x")
    finally:
        folder.unlink()
        s3.delete_object(Bucket=machine.bucket, Key=key)
