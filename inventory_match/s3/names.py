"""How one object version is named. Events and scans both come here, so they can never name a photo differently.

S3 writes the same fact in several ways: the version of an object on a bucket without versions is absent, null, empty or the
text "null"; an ETag comes with and without quotes.
"""

from __future__ import annotations

import re

from inventory_match.domain.errors import InvalidInput
from inventory_match.domain.photos import ObjectRef

_URI = re.compile(r"s3://(?P<bucket>[A-Za-z0-9][A-Za-z0-9.\-_]{1,253})(?:/(?P<key>.*))?", re.DOTALL)


def photo_ref(bucket: str, key: str, version_id: str | None, etag: str | None) -> ObjectRef:
    """The name of a photo, whichever way S3 wrote its version and its ETag."""
    return ObjectRef(bucket, key, version_of(version_id), (etag or "").removeprefix("W/").strip('"'))


def version_of(version_id: str | None) -> str | None:
    """None where the bucket keeps no versions."""
    return version_id if version_id and version_id != "null" else None


def parse_uri(uri: str) -> tuple[str, str]:
    """Split `s3://bucket/prefix` into (bucket, prefix); the prefix is taken literally and may be empty.

    >>> parse_uri("s3://photos/cams/a 1+2/")
    ('photos', 'cams/a 1+2/')
    """
    found = _URI.fullmatch(uri)
    if found is None:
        raise InvalidInput(f"{uri!r} is not an S3 address", cure="write s3://bucket or s3://bucket/prefix")
    return found["bucket"], found["key"] or ""
