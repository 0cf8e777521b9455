"""S3 objects as files: one file a version, complete or not there at all.

A file holds one line of JSON (what the object is, with the SHA-256 of its bytes) and then the bytes. It is written
beside its place, synced, renamed and the folder synced, so that neither a crash nor a cut of power leaves half an
object. Its name is a hash of key and version, since a key may be 1,024 bytes of anything; the key itself is in the
JSON. A damaged file is never removed or served: it is named, and stays for a person to look at until its key is
uploaded again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote

_OBJECT, _UNFINISHED, _BUCKET = ".object", ".unfinished", "bucket.json"


class Damaged(Exception):
    """A stored file that is not what was written; `str(error)` names it."""


@dataclass(frozen=True, slots=True)
class BucketRecord:
    """A bucket; `versioning` is None, `Enabled` or `Suspended`."""

    name: str
    region: str
    versioning: str | None


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """One version of an object. `last_modified` is ISO 8601 in UTC; a delete marker has no bytes and no ETag.

    `metadata` holds the content type and the user's own entries, `etag` is unquoted, `size` is in bytes.
    """

    bucket: str
    key: str
    version_id: str
    last_modified: str
    etag: str = ""
    size: int = 0
    sha256: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    delete_marker: bool = False


class ObjectFiles:
    """The folder `root`. Safe to use from several threads as long as each (bucket, key) is changed by one at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        _sync(root.parent)
        for unfinished in root.rglob(f"*{_UNFINISHED}"):
            unfinished.unlink()

    def path(self, bucket: str, key: str, version_id: str) -> Path:
        name = hashlib.sha256(f"{version_id}\0{key}".encode("utf-8", "surrogatepass")).hexdigest()
        return self._folder(bucket) / name[:2] / f"{name}{_OBJECT}"

    def write(self, record: ObjectRecord, body: bytes) -> None:
        """Returns when the object is on the disk. Raises OSError (a full disk) and then leaves the old state."""
        _write_durably(self.path(record.bucket, record.key, record.version_id), _line(asdict(record)) + body)

    def remove(self, bucket: str, key: str, version_id: str) -> None:
        path = self.path(bucket, key, version_id)
        path.unlink(missing_ok=True)
        if path.parent.exists():
            _sync(path.parent)

    def read(self, path: Path) -> tuple[ObjectRecord, bytes]:
        """What is in the file. Raises Damaged when the bytes are not those written, OSError when it is gone."""
        with path.open("rb") as file:
            record, body = _record(path, file.readline()), file.read()
        if not record.delete_marker and hashlib.sha256(body).hexdigest() != record.sha256:
            raise Damaged(f"{path}: the bytes of {record.bucket}/{record.key} are damaged")
        return record, body

    def write_bucket(self, record: BucketRecord) -> None:
        _write_durably(self._folder(record.name) / _BUCKET, _line(asdict(record)))

    def remove_bucket(self, name: str) -> None:
        """Forget the bucket, which S3 lets go only when it is empty; damaged files keep its folder."""
        folder = self._folder(name)
        (folder / _BUCKET).unlink(missing_ok=True)
        if not any(folder.rglob(f"*{_OBJECT}")):
            shutil.rmtree(folder, ignore_errors=True)
        _sync(self.root)

    def buckets(self) -> list[BucketRecord | Damaged]:
        return [_bucket(path) for path in sorted(self.root.glob(f"*/{_BUCKET}"))]

    def objects(self, bucket: str) -> Iterator[tuple[Path, ObjectRecord | Damaged]]:
        """Every object of the bucket, judged by its first line and its size; its bytes are verified when read."""
        for path in sorted(self._folder(bucket).glob(f"*/*{_OBJECT}")):
            try:
                yield path, self._glance(bucket, path)
            except Damaged as error:
                yield path, error
            except OSError as error:
                yield path, Damaged(f"{path}: {error.strerror}")

    def _glance(self, bucket: str, path: Path) -> ObjectRecord:
        with path.open("rb") as file:
            first = file.readline()
        record = _record(path, first)
        if path.stat().st_size != len(first) + record.size:
            raise Damaged(f"{path}: {record.bucket}/{record.key} is cut short or too long")
        if path != self.path(bucket, record.key, record.version_id):
            raise Damaged(f"{path}: says it is {record.bucket}/{record.key}, which belongs elsewhere")
        return record

    def _folder(self, bucket: str) -> Path:
        return self.root / quote(bucket, safe="")


def _line(values: dict[str, object]) -> bytes:
    return json.dumps(values).encode("ascii") + b"\n"


def _record(path: Path, line: bytes) -> ObjectRecord:
    try:
        return ObjectRecord(**json.loads(line))
    except (ValueError, TypeError) as error:
        raise Damaged(f"{path}: its first line does not say what it is ({error})") from error


def _bucket(path: Path) -> BucketRecord | Damaged:
    try:
        return BucketRecord(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        return Damaged(f"{path}: does not describe a bucket ({error})")


def _write_durably(path: Path, data: bytes) -> None:
    if not path.parent.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _sync(path.parent.parent)
    unfinished = path.with_suffix(_UNFINISHED)
    with unfinished.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
