"""The queue against a real SQS server, down to a photo uploaded and the news of it parsed."""

from __future__ import annotations

import time
from dataclasses import replace
from uuid import uuid4

import pytest
from mypy_boto3_s3 import S3Client
from mypy_boto3_sqs import SQSClient

from inventory_match.domain.errors import ConfigurationError, ServiceUnavailable
from inventory_match.domain.photos import PhotoUploaded
from inventory_match.s3.clients import sqs_client
from inventory_match.s3.events import Parsed, parse
from inventory_match.s3.queue import Message, SqsQueue
from inventory_match.s3.store import S3Store


@pytest.fixture
def url(sqs: SQSClient) -> str:
    return sqs.create_queue(QueueName=f"photos-{uuid4().hex[:12]}")["QueueUrl"]


def drain(queue: SqsQueue, count: int) -> list[Message]:
    """SQS may hand out fewer than it holds: poll until all are here or a poll comes back empty."""
    messages: list[Message] = []
    while len(messages) < count and (more := queue.receive()):
        messages += more
    return messages


def test_messages_come_in_batches_and_go_when_deleted(sqs: SQSClient, url: str) -> None:
    for number in range(23):
        sqs.send_message(QueueUrl=url, MessageBody=f"body {number} é")
    queue = SqsQueue(sqs, url, wait_seconds=0, visibility=60)
    messages = drain(queue, 23)
    assert {message.body for message in messages} == {f"body {number} é" for number in range(23)}
    assert {message.receive_count for message in messages} == {1}
    queue.delete(messages)
    held = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert held["ApproximateNumberOfMessages"] == held["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_what_is_not_deleted_comes_again_and_is_counted(sqs: SQSClient, url: str) -> None:
    sqs.send_message(QueueUrl=url, MessageBody="once")
    queue = SqsQueue(sqs, url, wait_seconds=3, visibility=1)
    (first,) = queue.receive()
    (second,) = queue.receive()
    assert (second.id, second.receive_count) == (first.id, 2)


def test_an_empty_queue_is_waited_on_for_as_long_as_told(sqs: SQSClient, url: str) -> None:
    before = time.monotonic()
    assert SqsQueue(sqs, url, wait_seconds=1).receive() == []
    assert 0.9 < time.monotonic() - before < 5


def test_what_the_queue_kept_is_named_and_the_rest_is_deleted(sqs: SQSClient, url: str) -> None:
    for number in range(3):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
    queue = SqsQueue(sqs, url, wait_seconds=0, visibility=60)
    good = drain(queue, 3)
    stale = replace(good[1], receipt="no such receipt")
    with pytest.raises(ServiceUnavailable, match=f"kept 1 messages: {stale.id} \\(ReceiptHandleIsInvalid\\)"):
        queue.delete([good[0], stale, good[2]])
    held = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert held["ApproximateNumberOfMessagesNotVisible"] == "1"


def test_deleting_nothing_asks_nothing(sqs: SQSClient) -> None:
    SqsQueue(sqs, "http://127.0.0.1:9/nowhere").delete([])


def test_a_queue_that_is_not_there_is_a_matter_of_settings(sqs: SQSClient, url: str) -> None:
    with pytest.raises(ConfigurationError, match="create it, or correct its address"):
        SqsQueue(sqs, url + "x", wait_seconds=0).receive()


def test_a_queue_that_does_not_answer_is_transient() -> None:
    client = sqs_client("http://127.0.0.1:9", "us-east-1", "test", "test", max_attempts=1)
    with pytest.raises(ServiceUnavailable, match="receiving from"):
        SqsQueue(client, "http://127.0.0.1:9/0/photos", wait_seconds=0).receive()


@pytest.mark.parametrize("key", ["cams/a1/x.jpg", "cams/Straße 7/100% a+b&c=%20.jpg", "cams/棚/~'()*!.jpg"])
def test_event_and_scan_name_an_upload_alike(s3: S3Client, sqs: SQSClient, bucket: str, url: str, key: str) -> None:
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]},
    )
    store = S3Store(s3, byte_cap=1000)
    ref = store.put(bucket, key, b"photo")
    test_event, news = (parse(message.body) for message in drain(SqsQueue(sqs, url, wait_seconds=0), 2))
    assert test_event == Parsed(is_test=True)
    (event,) = news.events
    assert isinstance(event, PhotoUploaded)
    (scanned,) = store.list_objects(bucket)
    assert event.ref == scanned.ref == ref
    assert store.fetch(event.ref) == b"photo"
