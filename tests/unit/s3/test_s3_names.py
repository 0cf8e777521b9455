"""One object, one name, whichever way S3 writes it."""

from __future__ import annotations

import pytest

from inventory_match.domain.errors import InvalidInput
from inventory_match.s3.names import parse_uri, photo_ref


@pytest.mark.parametrize("version_id", [None, "", "null"])
@pytest.mark.parametrize("etag", ["abc", '"abc"', 'W/"abc"'])
def test_a_bucket_without_versions_names_by_unquoted_etag(version_id: str | None, etag: str) -> None:
    assert photo_ref("b", "k", version_id, etag) == photo_ref("b", "k", None, "abc")
    assert photo_ref("b", "k", version_id, etag).version == "abc"


def test_a_version_id_wins() -> None:
    assert photo_ref("b", "k", "v1", '"abc"').version == "v1"


@pytest.mark.parametrize(
    ("uri", "bucket", "prefix"),
    [
        ("s3://photos", "photos", ""),
        ("s3://photos/", "photos", ""),
        ("s3://photos/cams/a+b %20/", "photos", "cams/a+b %20/"),
        ("s3://photos//twice", "photos", "/twice"),
        ("s3://photos/line\nbreak?#", "photos", "line\nbreak?#"),
    ],
)
def test_addresses(uri: str, bucket: str, prefix: str) -> None:
    assert parse_uri(uri) == (bucket, prefix)


@pytest.mark.parametrize("uri", ["", "photos", "s3:/photos", "s3://", "s3:///key", "https://photos/key", "S3 ://x"])
def test_not_an_address(uri: str) -> None:
    with pytest.raises(InvalidInput, match="write s3://bucket"):
        parse_uri(uri)
