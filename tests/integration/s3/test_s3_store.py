"""The store against a real S3 server: what it names, what it pins, and what it makes of every failure."""

from __future__ import annotations

import pytest
from mypy_boto3_s3 import S3Client

from inventory_match.domain.errors import ConfigurationError, PhotoRejected, PhotoSuperseded, ServiceUnavailable
from inventory_match.domain.photos import ObjectRef
from inventory_match.s3.clients import s3_client
from inventory_match.s3.store import S3Store

KEYS = ["cams/a1/x.jpg", "cams/Straße 7/100% a+b&c=%20.jpg", "cams/棚/~'()*!.jpg", "a//b/../c.jpg", "-_.jpg"]
CAP = 1000


@pytest.fixture
def store(s3: S3Client) -> S3Store:
    return S3Store(s3, CAP)


@pytest.mark.parametrize("key", KEYS)
def test_what_was_put_is_listed_fetched_and_deleted(store: S3Store, bucket: str, key: str) -> None:
    ref = store.put(bucket, key, b"photo")
    assert ref == ObjectRef(bucket, key, None, "5ae0c1c8a5260bc7b6648f6fbd115c35")
    (listed,) = store.list_objects(bucket)
    assert (listed.ref, listed.size, listed.sequencer) == (ref, 5, None)
    assert listed.event_time.utcoffset() is not None
    assert store.fetch(ref) == b"photo"
    store.delete(ref)
    assert list(store.list_objects(bucket)) == []
    store.delete(ref)


def test_a_replaced_object_is_superseded_not_mistaken(store: S3Store, bucket: str) -> None:
    first, second = store.put(bucket, "x.jpg", b"first"), store.put(bucket, "x.jpg", b"second")
    with pytest.raises(PhotoSuperseded, match=f"no longer holds {first.etag}"):
        store.fetch(first)
    assert store.fetch(second) == b"second"
    assert store.fetch(ObjectRef(bucket, "x.jpg", None, "")) == b"second"
    store.delete(first)
    assert store.fetch(second) == b"second"


def test_each_version_is_a_photo_of_its_own(store: S3Store, versioned: str) -> None:
    first, second = store.put(versioned, "x.jpg", b"first"), store.put(versioned, "x.jpg", b"second")
    assert first.version_id
    assert first.version_id != second.version_id
    assert (store.fetch(first), store.fetch(second)) == (b"first", b"second")
    assert {found.ref for found in store.list_objects(versioned)} == {first, second}
    store.delete(first)
    with pytest.raises(PhotoSuperseded):
        store.fetch(first)
    assert [found.ref for found in store.list_objects(versioned)] == [second]


def test_a_delete_marker_is_no_photo(store: S3Store, s3: S3Client, versioned: str) -> None:
    ref = store.put(versioned, "x.jpg", b"first")
    marker = s3.delete_object(Bucket=versioned, Key="x.jpg")["VersionId"]
    assert [found.ref for found in store.list_objects(versioned)] == [ref]
    with pytest.raises(PhotoSuperseded):
        store.fetch(ObjectRef(versioned, "x.jpg", marker, ""))


def test_an_object_older_than_the_versioning_is_named_by_its_etag(store: S3Store, s3: S3Client, bucket: str) -> None:
    ref = store.put(bucket, "x.jpg", b"before")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert [found.ref for found in store.list_objects(bucket)] == [ref]
    assert store.fetch(ref) == b"before"


@pytest.mark.parametrize("keeps_versions", [False, True])
def test_more_than_a_page_is_listed_whole(s3: S3Client, bucket: str, *, keeps_versions: bool) -> None:
    store = S3Store(s3, CAP, page_size=3)
    if keeps_versions:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    keys = [f"cams/a b/{number}.jpg" for number in range(8)]
    for key in keys:
        store.put(bucket, key, b"")
    store.put(bucket, "elsewhere.jpg", b"")
    assert [found.ref.key for found in store.list_objects(bucket, "cams/a b/")] == keys


def test_if_absent_keeps_what_is_there(store: S3Store, bucket: str) -> None:
    first = store.put(bucket, "catalog/x.jpg", b"first", if_absent=True)
    assert store.put(bucket, "catalog/x.jpg", b"second", if_absent=True) == first
    assert store.fetch(first) == b"first"


def test_the_content_type_is_kept(store: S3Store, s3: S3Client, bucket: str) -> None:
    store.put(bucket, "x.webp", b"photo", "image/webp")
    assert s3.head_object(Bucket=bucket, Key="x.webp")["ContentType"] == "image/webp"


@pytest.mark.parametrize("size", [0, CAP, CAP + 1])
def test_the_byte_cap(store: S3Store, bucket: str, size: int) -> None:
    ref = store.put(bucket, "x.jpg", bytes(size))
    if size <= CAP:
        assert store.fetch(ref) == bytes(size)
    else:
        with pytest.raises(PhotoRejected, match="1001 bytes are over the cap of 1000"):
            store.fetch(ref)


@pytest.mark.parametrize("ref", [ObjectRef("", "gone.jpg", None, "abc"), ObjectRef("", "gone.jpg", "v1", "abc")])
def test_what_never_was_is_superseded(store: S3Store, bucket: str, ref: ObjectRef) -> None:
    with pytest.raises(PhotoSuperseded, match=f"no longer holds {ref.version}"):
        store.fetch(ObjectRef(bucket, ref.key, ref.version_id, ref.etag))


def test_a_bucket_that_is_not_there_is_a_matter_of_settings(store: S3Store) -> None:
    with pytest.raises(ConfigurationError, match=r"s3://no-such-bucket/x.jpg.*create it"):
        store.fetch(ObjectRef("no-such-bucket", "x.jpg", None, "abc"))
    with pytest.raises(ConfigurationError, match="create it"):
        list(store.list_objects("no-such-bucket"))


def test_nobody_there_is_transient() -> None:
    client = s3_client("http://127.0.0.1:9", "us-east-1", "test", "test", max_attempts=1)
    with pytest.raises(ServiceUnavailable, match="listing s3://photos/cams/"):
        list(S3Store(client, CAP).list_objects("photos", "cams/"))


def test_loopback_is_reached_past_a_proxy(monkeypatch: pytest.MonkeyPatch, endpoint: str, bucket: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    client = s3_client(endpoint, "us-east-1", "test", "test", max_attempts=1)
    assert list(S3Store(client, CAP).list_objects(bucket)) == []
