"""The envelopes table: one file a style, in the formats AWS, SNS, EventBridge, MinIO and Ceph document; moto's are recorded.

What is expected stands in the table in full, so that a name read differently by one letter fails.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_match.domain.errors import MessageUnreadable
from inventory_match.domain.photos import ObjectRef, ObjectRemoved, PhotoUploaded, later
from inventory_match.s3.events import MAX_BODY_BYTES, Parsed, parse

ENVELOPES = Path(__file__).parent / "envelopes"
AT = datetime(2026, 3, 14, 9, 26, 53, 589000, tzinfo=UTC)
BRIDGE_AT = AT.replace(microsecond=0)
CEPH_AT = AT.replace(microsecond=589724)
ETAG = "9c6f2b1d0a4e8f7b3c5d6e7f8091a2b3"
SHORT_ETAG = "b1946ac92492d2347c6235b4d2611184"
SEQUENCER = "0066E2A1C39D5B7F42"


def uploaded(
    key: str,
    *,
    version_id: str | None = None,
    etag: str = ETAG,
    at: datetime = AT,
    size: int | None = 48213,
    sequencer: str | None = SEQUENCER,
) -> PhotoUploaded:
    return PhotoUploaded(ObjectRef("shelf-photos", key, version_id, etag), at, size, sequencer)


def removed(version_id: str | None, at: datetime, sequencer: str | None) -> ObjectRemoved:
    return ObjectRemoved("shelf-photos", "cams/a1/old.jpg", version_id, at, sequencer)


def parsed(*events: PhotoUploaded | ObjectRemoved, ignored: tuple[str, ...] = ()) -> Parsed:
    return Parsed(events=events, ignored=ignored)


FIRST = "cams/a1/20260314T092653.jpg"
TABLE: dict[str, Parsed] = {
    "s3_put_unversioned": parsed(uploaded(FIRST)),
    "s3_put_versioned": parsed(uploaded(FIRST, version_id="096fKKXTRTtl3on89fVO.nfljtsv6qko")),
    "s3_put_null_version": parsed(uploaded("cams/a1/x.jpg")),
    "s3_multipart_odd_key": parsed(
        uploaded("cams/Straße 7/100% a+b.jpg", etag="1b2cf535f27731c974343645a3985328-3", size=9437184)
    ),
    "s3_several_records": parsed(
        uploaded(FIRST), uploaded("cams/a2/棚.jpg", sequencer="0066E2A1C39D5B7F"), removed(None, AT, "0066E2A1C4")
    ),
    "s3_one_record_broken": Parsed(
        events=(uploaded(FIRST),), broken=("Records[1]: s3.object.key 'cams/%FF.jpg' does not decode to UTF-8",)
    ),
    "s3_delete": parsed(removed(None, AT, SEQUENCER)),
    "s3_delete_marker": parsed(removed("UIORUnfndfiufdisojhr398493jfdkjFJjkndnqUifhnw89493jJFJ", AT, SEQUENCER)),
    "s3_lifecycle_expiration": parsed(removed("3HL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY", AT, None)),
    "s3_tagging": parsed(ignored=("ObjectTagging:Put",)),
    "s3_restore": parsed(ignored=("ObjectRestore:Completed",)),
    "s3_test_event": Parsed(is_test=True),
    "sns_wrapped_put": parsed(uploaded(FIRST)),
    "sns_wrapped_test_event": Parsed(is_test=True),
    "sns_wrapped_eventbridge": parsed(
        uploaded("cams/a1/x+y.jpg", etag=SHORT_ETAG, at=BRIDGE_AT, size=5, sequencer="617f08299329d189")
    ),
    "eventbridge_created": parsed(
        uploaded(
            "cams/Straße 7/100% a+b%20.jpg",
            version_id="IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
            at=BRIDGE_AT,
            sequencer="617f08299329d189",
        )
    ),
    "eventbridge_created_unversioned": parsed(
        uploaded("cams/a1/x.jpg", etag=SHORT_ETAG, at=BRIDGE_AT, size=5, sequencer="617f08299329d189")
    ),
    "eventbridge_delete_marker": parsed(removed("1QW9g1Z99LUNbvaaYVpW9xDlOLU.qxgF", BRIDGE_AT, "617f0837b476e463")),
    "eventbridge_lifecycle": parsed(removed("mtB0cV.jejK63XkRNceanNMC.qXPWLeK", BRIDGE_AT, "617b398000000000")),
    "eventbridge_tags": parsed(ignored=("Object Tags Added",)),
    "minio_put": parsed(uploaded("cams/a1/front 1.jpg", sequencer="17A8BD6E6C0A1D42")),
    "minio_delete": parsed(removed(None, AT, "17A8BD6E6C0A1D43")),
    "minio_retention": parsed(ignored=("ObjectCreated:PutRetention",)),
    "ceph_put": parsed(uploaded("cams/a1/a+b 100%25.jpg", at=CEPH_AT, sequencer="A5BEA263AA549339")),
    "ceph_expiration": parsed(removed(None, CEPH_AT, "A5BEA263AA549340")),
    "moto_put": parsed(
        uploaded(
            "cams/Straße 7/a+b 100%.jpg",
            etag="5d41402abc4b2a76b9719d911017c592",
            at=datetime(2026, 11, 23, 4, 28, 6, 279000, tzinfo=UTC),
            size=5,
            sequencer=None,
        )
    ),
    "moto_test_event": Parsed(is_test=True),
}


def test_every_envelope_file_stands_in_the_table() -> None:
    assert {file.stem for file in ENVELOPES.glob("*.json")} == set(TABLE)


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("as_bytes", [True, False], ids=["bytes", "str"])
def test_envelope(name: str, as_bytes: bool) -> None:
    body = (ENVELOPES / f"{name}.json").read_bytes()
    assert parse(body if as_bytes else body.decode()) == TABLE[name]


def test_sequencers_of_unequal_length_order_events() -> None:
    first, second, third = (event.sequencer for event in TABLE["s3_several_records"].events)
    assert len({len(str(sequencer)) for sequencer in (first, second, third)}) == 3
    assert later(first, second)
    assert not later(second, first)
    assert later(third, first)


def record(**changes: Any) -> dict[str, Any]:
    """A readable S3 record; dotted names in `changes` (with `__`) replace a field, None removes it."""
    whole: dict[str, Any] = json.loads((ENVELOPES / "s3_put_unversioned.json").read_text())["Records"][0]
    for path, value in changes.items():
        holder = whole
        *way, last = path.split("__")
        for name in way:
            holder = holder[name]
        if value is None:
            del holder[last]
        else:
            holder[last] = value
    return whole


def body(*records: object) -> str:
    return json.dumps({"Records": list(records)})


def nested_sns(levels: int) -> str:
    text = json.dumps({"Event": "s3:TestEvent"})
    for _ in range(levels):
        text = json.dumps({"Type": "Notification", "Message": text})
    return text


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        pytest.param("", "not JSON", id="empty"),
        pytest.param("hello", "not JSON", id="no JSON"),
        pytest.param(b"\xff\xfe{}", "not UTF-8", id="not UTF-8"),
        pytest.param("\ud800", "not UTF-8", id="lone surrogate"),
        pytest.param("[]", "JSON is list", id="a list"),
        pytest.param("{}", "no known envelope", id="empty object"),
        pytest.param('{"hello": 1, "world": 2}', "its keys are 'hello, world'", id="another object"),
        pytest.param("[" * 100_000, "nested too deeply", id="deep JSON"),
        pytest.param("1" * 5000, "not JSON", id="a number Python refuses"),
        pytest.param(" " * MAX_BODY_BYTES + "{}", "over the limit", id="too large"),
        pytest.param(nested_sns(4), "more than 3 SNS", id="SNS in SNS in SNS"),
        pytest.param('{"Type": "Notification"}', "Message is missing", id="SNS without message"),
        pytest.param('{"Type": "Notification", "Message": "hello"}', "not JSON", id="SNS with prose"),
        pytest.param('{"Type": "SubscriptionConfirmation"}', "SubscribeURL", id="SNS wants a confirmation"),
        pytest.param('{"Records": []}', "at least one record", id="no records"),
        pytest.param('{"Records": {}}', "at least one record", id="records no list"),
        pytest.param(body(7), r"Records\[0\]: JSON is int", id="record no object"),
        pytest.param(body({"eventSource": "aws:sqs"}), "eventName is missing", id="another service"),
        pytest.param(body(record(s3=None)), "s3.bucket.name is missing", id="no s3"),
        pytest.param(body(record(s3__object__key=None)), "s3.object.key is missing", id="no key"),
        pytest.param(body(record(s3__object__key="")), "s3.object.key is missing", id="empty key"),
        pytest.param(body(record(s3__object__key=["a"])), "s3.object.key is list", id="key no text"),
        pytest.param(body(record(s3__object__key="a%00b")), "NUL", id="NUL in the key"),
        pytest.param(body(record(s3__object__key="\ud800")), "not valid Unicode", id="surrogate in the key"),
        pytest.param(body(record(s3__object__key="a" * 1026)), "1026 bytes", id="key too long"),
        pytest.param(body(record(s3__object__eTag=None)), "neither a version id nor an ETag", id="no name"),
        pytest.param(body(record(eventTime=None)), "eventTime is missing", id="no time"),
        pytest.param(body(record(eventTime="yesterday")), "not an ISO 8601 time", id="no such time"),
        pytest.param(body(record(eventTime="0001-01-01T00:00:00+14:00")), "not an ISO", id="time before time"),
        pytest.param(body(record(s3__object__size=-1)), "not a number of bytes", id="negative size"),
        pytest.param(body(record(s3__object__size=True)), "not a number of bytes", id="size yes"),
        pytest.param(body(record(s3__object__size=2**63)), "not a number of bytes", id="size too large"),
        pytest.param('{"detail-type": "Object Created"}', "detail.bucket.name is missing", id="no detail"),
        pytest.param('{"detail-type": "EC2 stopped", "source": "aws.ec2"}', "not come from aws.s3", id="EC2"),
    ],
)
def test_what_cannot_be_read_says_why(message: str | bytes, cause: str) -> None:
    with pytest.raises(MessageUnreadable, match=cause):
        parse(message)


def test_three_wrappings_are_read() -> None:
    assert parse(nested_sns(3)) == Parsed(is_test=True)


def test_a_version_id_names_a_photo_without_etag() -> None:
    (event,) = parse(body(record(s3__object__eTag=None, s3__object__versionId="v1"))).events
    assert isinstance(event, PhotoUploaded)
    assert event.ref.version == "v1"


def test_every_broken_record_is_reported_beside_the_good() -> None:
    found = parse(body(3, record(), record(eventTime="never"), record(eventName="ObjectAcl:Put")))
    assert found.events == (uploaded(FIRST),)
    assert found.ignored == ("ObjectAcl:Put",)
    assert [cause.partition(":")[0] for cause in found.broken] == ["Records[0]", "Records[2]"]


def test_a_time_without_zone_is_utc() -> None:
    (event,) = parse(body(record(eventTime="2026-03-14T09:26:53.589"))).events
    assert event.event_time == AT


NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=200)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ["eventName", "eventSource", "eventTime", "s3", "s3__bucket", "s3__bucket__name", "s3__object"] + [
    f"s3__object__{name}" for name in ("key", "versionId", "eTag", "size", "sequencer")
]


def only_readable_or_unreadable(message: str | bytes) -> None:
    """Never another exception; and whatever comes out can be stored in Postgres as text."""
    try:
        found = parse(message)
    except MessageUnreadable as error:
        texts = [str(error)]
    else:
        assert found.events or found.ignored or found.is_test
        texts = [*found.ignored, *found.broken]
        for event in found.events:
            ref = event.ref if isinstance(event, PhotoUploaded) else event
            texts += [ref.bucket, ref.key, ref.version_id or "", event.sequencer or ""]
            assert ref.bucket
            assert ref.key
            assert event.event_time.utcoffset() is not None
    for text in texts:
        assert "\0" not in text
        text.encode()


@given(st.binary(max_size=300) | st.text(max_size=300))
def test_fuzz_any_bytes(message: str | bytes) -> None:
    only_readable_or_unreadable(message)


@given(JSON)
def test_fuzz_any_json(message: object) -> None:
    only_readable_or_unreadable(json.dumps(message))


@given(st.dictionaries(st.sampled_from(["Records", "Type", "Message", "Event", "detail-type", "detail", "time"]), JSON))
def test_fuzz_envelope_keys(message: dict[str, object]) -> None:
    only_readable_or_unreadable(json.dumps(message))


@given(st.sampled_from(FIELDS), JSON.filter(lambda value: value is not None), st.booleans())
def test_fuzz_one_field_of_a_good_record(field: str, value: object, beside_a_good_one: bool) -> None:
    records = [record(**{field: value})] + [record()] * beside_a_good_one
    only_readable_or_unreadable(body(*records))
    if beside_a_good_one:
        assert uploaded(FIRST) in parse(body(*records)).events


@given(NAMES)
def test_any_key_survives_every_envelope(key: str) -> None:
    bridge = json.loads((ENVELOPES / "eventbridge_created.json").read_text())
    bridge["detail"]["object"]["key"] = key
    messages = [
        body(record(s3__object__key=quote_plus(key))),
        body(record(s3__object__key=quote(key, safe="/").replace("%20", "+"))),
        body(record(s3__object__key=key, eventSource="ceph:s3")),
        json.dumps(bridge),
    ]
    events = [event for message in messages for event in parse(message).events]
    assert [event.ref.key for event in events if isinstance(event, PhotoUploaded)] == [key] * 4
