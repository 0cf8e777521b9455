"""Notification JSON to photos: one pure parser for every envelope S3 and its relatives use.

    S3 records        {"Records": [...]}                        AWS, MinIO (with EventName and Key beside), Ceph, moto
    SNS               {"Type": "Notification", "Message": "..."}  holds any of these as text; raw delivery needs no unwrapping
    EventBridge       {"detail-type": "Object Created", "detail": {...}}
    test event        {"Event": "s3:TestEvent"}                 sent when a notification is set up; there is no photo

Keys in S3 records are form-encoded; those of EventBridge and of Ceph are not. Nothing is lost: of a message with several
records the readable ones are taken and the others reported in `Parsed.broken`, so that intake registers the good ones and
keeps the message as rejected as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote_plus

from inventory_match.domain.errors import MessageUnreadable
from inventory_match.domain.photos import FIRST_YEAR, ObjectRemoved, PhotoUploaded
from inventory_match.s3.names import photo_ref, version_of

MAX_BODY_BYTES = 1024 * 1024
"""The most SQS carries in one message."""
MAX_RECORDS = 1000
"""Records of one message; S3 sends one. A body full of the smallest ones would keep the intake busy for minutes."""
MAX_WRAPPINGS = 3
"""SNS envelopes inside each other; real set-ups have one."""
MAX_NAME_BYTES = 1024
"""S3's own limit for a key, taken for every name in a record."""

# MinIO files changes of an object's metadata under ObjectCreated, and deleting what was not there under ObjectRemoved.
_NOT_AN_UPLOAD = {"PutTagging", "DeleteTagging", "PutRetention", "PutLegalHold"}
_NOT_A_REMOVAL = {"NoOP", "AbortMultipartUpload"}
_UPLOADS = ("ObjectCreated:", "ObjectSynced:Create")  # the second: a Ceph zone received a copy
_REMOVALS = ("ObjectRemoved:", "LifecycleExpiration:", "ObjectLifecycle:Expiration:")  # the third: Ceph's older name

Event = PhotoUploaded | ObjectRemoved
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Parsed:
    """What one queue message says.

    `ignored` names events that concern no upload and no removal (tags, restores); `broken` gives a cause for each record
    that could not be read beside others that could.
    """

    events: tuple[Event, ...] = ()
    ignored: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    is_test: bool = False


def parse(body: str | bytes) -> Parsed:
    """Read one queue message. Raises MessageUnreadable, with the cause, where nothing in it can be read."""
    text = _utf8(body)
    for _ in range(MAX_WRAPPINGS + 1):
        message = _object(text)
        if message.get("Type") != "Notification":
            return _envelope(message)
        text = _required(message, "Message", limit=MAX_BODY_BYTES)
    raise MessageUnreadable(f"more than {MAX_WRAPPINGS} SNS notifications inside each other")


def _envelope(message: Json) -> Parsed:
    if "Records" in message:
        records = message["Records"]
        if not isinstance(records, list) or not records:
            raise MessageUnreadable("Records is not a list with at least one record")
        if len(records) > MAX_RECORDS:
            raise MessageUnreadable(f"{len(records)} records in one message are over the limit of {MAX_RECORDS}")
        return _collect(((f"Records[{i}]: ", record, _s3_record) for i, record in enumerate(records)))
    if "detail-type" in message:
        return _collect([("", message, _eventbridge)])
    if message.get("Event") == "s3:TestEvent":
        return Parsed(is_test=True)
    if message.get("Type") in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        raise MessageUnreadable(
            f"SNS {message['Type']}: a person has to open its SubscribeURL; there is no photo in it"
        )
    raise MessageUnreadable(f"no known envelope: its keys are {', '.join(sorted(message)[:8])[:200]!r}")


def _collect(records: Iterable[tuple[str, object, Callable[[Json], Event | str]]]) -> Parsed:
    events: list[Event] = []
    ignored: list[str] = []
    broken: list[str] = []
    for where, record, read in records:
        try:
            found = read(_as_object(record))
        except MessageUnreadable as error:
            broken.append(f"{where}{error}")
            continue
        if isinstance(found, str):
            ignored.append(found)
        else:
            events.append(found)
    if broken and not (events or ignored):
        raise MessageUnreadable("; ".join(broken))
    return Parsed(tuple(events), tuple(ignored), tuple(broken))


def _s3_record(record: Json) -> Event | str:
    name = _required(record, "eventName").removeprefix("s3:")
    kind = name.rpartition(":")[2]
    uploaded = name.startswith(_UPLOADS) and kind not in _NOT_AN_UPLOAD
    if not uploaded and not (name.startswith(_REMOVALS) and kind not in _NOT_A_REMOVAL):
        return name
    return _event(
        uploaded,
        bucket=_required(record, "s3.bucket.name"),
        key=_record_key(record, "s3.object.key"),
        version_id=_text(record, "s3.object.versionId"),
        etag=_text(record, "s3.object.eTag") or _text(record, "s3.object.etag"),
        size=_size(record, "s3.object.size"),
        sequencer=_text(record, "s3.object.sequencer"),
        event_time=_time(record, "eventTime"),
    )


def _eventbridge(message: Json) -> Event | str:
    name = _required(message, "detail-type")
    if name not in ("Object Created", "Object Deleted"):
        if message.get("source") != "aws.s3":
            raise MessageUnreadable(f"an EventBridge event {name!r} that does not come from aws.s3")
        return name
    return _event(
        name == "Object Created",
        bucket=_required(message, "detail.bucket.name"),
        key=_required(message, "detail.object.key"),
        version_id=_text(message, "detail.object.version-id"),
        etag=_text(message, "detail.object.etag"),
        size=_size(message, "detail.object.size"),
        sequencer=_text(message, "detail.object.sequencer"),
        event_time=_time(message, "time"),
    )


def _event(
    uploaded: bool,
    *,
    bucket: str,
    key: str,
    version_id: str | None,
    etag: str | None,
    size: int | None,
    sequencer: str | None,
    event_time: datetime,
) -> Event:
    if not uploaded:
        return ObjectRemoved(bucket, key, version_of(version_id), event_time, sequencer)
    ref = photo_ref(bucket, key, version_id, etag)
    if not ref.version:
        raise MessageUnreadable(f"object {key!r} has neither a version id nor an ETag, so two uploads look the same")
    return PhotoUploaded(ref, event_time, size, sequencer)


def _utf8(body: str | bytes) -> str:
    try:
        raw = body.encode() if isinstance(body, str) else body
        text = raw.decode()
    except (UnicodeEncodeError, UnicodeDecodeError) as error:
        raise MessageUnreadable(f"not UTF-8 text: {error.reason}") from error
    if len(raw) > MAX_BODY_BYTES:
        raise MessageUnreadable(f"{len(raw)} bytes are over the limit of {MAX_BODY_BYTES}")
    return text


def _object(text: str) -> Json:
    try:
        message = json.loads(text)
    except RecursionError as error:
        raise MessageUnreadable("JSON is nested too deeply") from error
    except ValueError as error:
        raise MessageUnreadable(f"not JSON: {error}") from error
    return _as_object(message)


def _as_object(value: object) -> Json:
    if not isinstance(value, dict):
        raise MessageUnreadable(f"JSON is {type(value).__name__}, not an object")
    return value


def _dig(holder: object, path: str) -> object:
    """The value at a dotted path; None where any part of the way is missing."""
    for name in path.split("."):
        holder = holder.get(name) if isinstance(holder, dict) else None
    return holder


def _text(holder: Json, path: str, limit: int = MAX_NAME_BYTES) -> str | None:
    value = _dig(holder, path)
    if value is None:
        return None
    if not isinstance(value, str):
        raise MessageUnreadable(f"{path} is {type(value).__name__}, not text")
    return _storable(value, path, limit)


def _required(holder: Json, path: str, limit: int = MAX_NAME_BYTES) -> str:
    value = _text(holder, path, limit)
    if not value:
        raise MessageUnreadable(f"{path} is missing or empty")
    return value


def _storable(value: str, what: str, limit: int) -> str:
    """Control characters are legal in a key and stay; NUL and lone surrogates are in no S3 name and no Postgres text."""
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        raise MessageUnreadable(f"{what} is not valid Unicode: {error.reason}") from error
    if "\0" in value:
        raise MessageUnreadable(f"{what} holds a NUL character")
    if size > limit:
        raise MessageUnreadable(f"{what} has {size} bytes, the limit is {limit}")
    return value


def _record_key(record: Json, path: str) -> str:
    if record.get("eventSource") == "ceph:s3":  # the RADOS Gateway writes the key as it is
        return _required(record, path)
    encoded = _required(record, path, limit=3 * MAX_NAME_BYTES)  # %XX: three characters a byte
    try:
        return _storable(unquote_plus(encoded, errors="strict"), f"{path}, decoded,", MAX_NAME_BYTES)
    except UnicodeDecodeError as error:
        raise MessageUnreadable(f"{path} {encoded[:80]!r} does not decode to UTF-8") from error


def _size(holder: Json, path: str) -> int | None:
    """Bytes; Ceph writes the number as text."""
    value = _dig(holder, path)
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
        return value
    raise MessageUnreadable(f"{path} is not a number of bytes")


def _time(holder: Json, path: str) -> datetime:
    """In UTC; S3 always writes the zone, a time without one is taken as UTC."""
    text = _required(holder, path)
    try:
        at = datetime.fromisoformat(text)
        utc = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise MessageUnreadable(f"{path} is {text[:40]!r}, not an ISO 8601 time") from error
    if utc.year < FIRST_YEAR:
        raise MessageUnreadable(f"{path} is {text[:40]!r}: nothing was uploaded before {FIRST_YEAR}")
    return utc
