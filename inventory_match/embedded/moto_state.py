"""Keeps moto's S3, which forgets everything, in step with the object files.

moto holds buckets and keys in dictionaries. Each bucket gets a dictionary that notes which keys the current thread
has changed (a request is served by one thread); when the request is done, before its answer goes out, `Keeper.flush`
writes just those. So every way to change an object is covered, present and future, without reading S3 requests a
second time. Once an object is on the disk moto's copy in memory is exchanged for a reader of the file: memory does
not grow with the photos.

Not kept: tags, access lists, and multipart uploads that were not completed. Only the embedded S3 process imports this.
"""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

from moto.s3.models import FakeBucket, FakeDeleteMarker, FakeKey, S3Backend
from moto.s3.utils import _VersionedKeyStore

from inventory_match.embedded.object_files import BucketRecord, Damaged, ObjectFiles, ObjectRecord

_Item = FakeKey | FakeDeleteMarker
_LOCKS = 64


class _Changes(threading.local):
    """What the current thread changed since its last flush: (bucket, key) -> the new versions, none for a removal."""

    def __init__(self) -> None:
        self.seen: defaultdict[tuple[str, str], list[_Item]] = defaultdict(list)

    def take(self) -> dict[tuple[str, str], list[_Item]]:
        seen, self.seen = self.seen, defaultdict(list)
        return seen


class _TrackedKeys(_VersionedKeyStore):
    """moto's own dictionary of key -> versions, which also notes changes."""

    def __init__(self, bucket: str, changes: _Changes) -> None:
        super().__init__()
        self._bucket, self._changes = bucket, changes

    def pop(self, key: Any, *_default: Any) -> None:
        super().pop(key)
        self._changes.seen[self._bucket, key].clear()

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self._changes.seen[self._bucket, key].append(value)

    def setlist(self, key: Any, list_: Any) -> None:
        before = list(self.getlist(key, []))
        super().setlist(key, list_)
        self._changes.seen[self._bucket, key] += [item for item in list_ if item not in before]


class _StoredBody:
    """The bytes of one version, read from its file: what moto expects of an open file, and no more."""

    def __init__(self, files: ObjectFiles, path: Path) -> None:
        self._files, self._path = files, path
        self._read = self._closed = False

    def seek(self, _position: int) -> None:
        self._read = False

    def read(self, _size: int = -1) -> bytes:
        """Everything at once, then nothing."""
        if self._read:
            return b""
        self._read = True
        _, body = self._files.read(self._path)
        # Asked after reading: moto closes an old version before its successor is written over the file, so bytes
        # read before the close are the old ones, and a reader that came later is told so, not given the wrong bytes.
        if self._closed:
            raise ValueError(f"{self._path} was replaced while it was read")
        return body

    def close(self) -> None:
        self._closed = True


class Keeper:
    """Writes moto's changes to the files, and the files back into a fresh moto."""

    def __init__(self, files: ObjectFiles, backend: S3Backend) -> None:
        self._files, self._backend = files, backend
        self._changes = _Changes()
        self._versions: dict[tuple[str, str], set[str]] = {}
        self._buckets: dict[str, BucketRecord] = {}
        self._bucket_lock = threading.Lock()
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    def flush(self) -> None:
        """Make durable what this thread changed. Raises OSError when the disk does not take it."""
        with self._bucket_lock:
            self._settle_buckets()
        for (bucket, key), fresh in self._changes.take().items():
            with self._locks[hash((bucket, key)) % _LOCKS]:
                self._settle(bucket, key, fresh)

    def restore(self) -> list[str]:
        """Fill moto, without a notification. Returns what could not be read, one sentence a file."""
        complaints = []
        for bucket in self._files.buckets():
            if isinstance(bucket, Damaged):
                complaints.append(str(bucket))
                continue
            self._buckets[bucket.name] = bucket
            made = self._backend.create_bucket(bucket.name, bucket.region)
            made.versioning_status = bucket.versioning
            self._track(made)
            found = list(self._files.objects(bucket.name))
            complaints += [str(record) for _, record in found if isinstance(record, Damaged)]
            whole = [(path, record) for path, record in found if isinstance(record, ObjectRecord)]
            for path, record in sorted(whole, key=lambda pair: pair[1].last_modified):
                made.keys[record.key] = self._item(made, path, record)
                self._versions.setdefault((bucket.name, record.key), set()).add(record.version_id)
        self._changes.take()
        return complaints

    def _settle_buckets(self) -> None:
        present = dict(self._backend.buckets)
        for name, bucket in present.items():
            self._track(bucket)
            record = BucketRecord(name, bucket.region_name, bucket.versioning_status)
            if self._buckets.get(name) != record:
                self._files.write_bucket(record)
                self._buckets[name] = record
        for name in self._buckets.keys() - present.keys():
            self._files.remove_bucket(name)
            del self._buckets[name]

    def _track(self, bucket: FakeBucket) -> None:
        if not isinstance(bucket.keys, _TrackedKeys):
            tracked = _TrackedKeys(bucket.name, self._changes)
            for key, versions in bucket.keys.lists():
                tracked.setlist(key, versions)
            bucket.keys = tracked

    def _settle(self, bucket: str, key: str, fresh: list[_Item]) -> None:
        present = self._backend.buckets.get(bucket)
        versions = list(present.keys.getlist(key, [])) if present else []
        stored = self._versions.get((bucket, key), set())
        for item in versions:
            if item in fresh or item.version_id not in stored:
                self._write(bucket, key, item)
        kept = {item.version_id for item in versions}
        for version_id in stored - kept:
            self._files.remove(bucket, key, version_id)
        if kept:
            self._versions[bucket, key] = kept
        else:
            self._versions.pop((bucket, key), None)

    def _write(self, bucket: str, key: str, item: _Item) -> None:
        modified = item.last_modified.isoformat(timespec="microseconds")
        if isinstance(item, FakeDeleteMarker):
            self._files.write(ObjectRecord(bucket, key, item.version_id, modified, delete_marker=True), b"")
            return
        try:
            body = item.value
        except ValueError:
            if not item.disposed:
                raise
            return  # replaced meanwhile: the request that replaced it writes its successor before answering
        record = ObjectRecord(
            bucket,
            key,
            item.version_id,
            modified,
            etag=item.etag.strip('"'),
            size=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
            metadata=dict(item.metadata),
        )
        self._files.write(record, body)
        self._exchange(item, self._files.path(bucket, key, item.version_id))

    def _exchange(self, item: FakeKey, path: Path) -> None:
        with item.lock:
            buffer = item._value_buffer  # noqa: SLF001 - moto offers no other way to where the bytes are
            vars(item)["_value_buffer"] = _StoredBody(self._files, path)
        buffer.close()

    def _item(self, bucket: FakeBucket, path: Path, record: ObjectRecord) -> _Item:
        modified = datetime.fromisoformat(record.last_modified)
        versioned = record.version_id != "null"
        key = FakeKey(
            record.key,
            b"",
            account_id=bucket.account_id,
            region_name=bucket.region_name,
            bucket_name=bucket.name,
            etag=record.etag,
            is_versioned=versioned,
            version_id=record.version_id,
        )
        key.last_modified = modified
        if record.delete_marker:
            marker = FakeDeleteMarker(key)
            marker.last_modified = modified
            marker._version_id = record.version_id  # noqa: SLF001 - moto draws one at random
            return marker
        key.set_metadata(dict(record.metadata))
        key.contentsize = record.size
        self._exchange(key, path)
        return key
