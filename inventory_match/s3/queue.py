"""The SQS queue that carries the bucket's news: long polls, and deletes only what it is told to.

Delivery is at least once: a message not deleted within `visibility` seconds comes back. Intake therefore commits first and
deletes last, and a delete that fails is Transient: the message returns and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inventory_match.domain.errors import ServiceUnavailable
from inventory_match.s3.failures import aws_errors

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType
    from mypy_boto3_sqs.type_defs import DeleteMessageBatchRequestEntryTypeDef

BATCH = 10
"""The most SQS hands out, or deletes, in one call."""


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery. `receipt` names this delivery (not the message) when deleting; `receive_count` starts at 1."""

    id: str
    body: str
    receipt: str
    receive_count: int


class SqsQueue:
    """One queue. Raises ServiceUnavailable where another try may help, ConfigurationError where rights or names are wrong."""

    def __init__(self, client: SQSClient, queue_url: str, wait_seconds: int = 20, visibility: int = 60) -> None:
        self._client = client
        self._url = queue_url
        self._wait_seconds = wait_seconds
        self._visibility = visibility

    def receive(self) -> list[Message]:
        """Up to ten messages, waiting up to `wait_seconds` for the first; empty when none came."""
        with aws_errors(f"receiving from {self._url}", grant="sqs:ReceiveMessage"):
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=BATCH,
                WaitTimeSeconds=self._wait_seconds,
                VisibilityTimeout=self._visibility,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        return [
            Message(
                id=found["MessageId"],
                body=found["Body"],
                receipt=found["ReceiptHandle"],
                receive_count=int(found.get("Attributes", {}).get("ApproximateReceiveCount", "1")),
            )
            for found in answer.get("Messages", [])
        ]

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete them in batches; raises ServiceUnavailable naming those the queue kept, which will come back."""
        stayed: list[str] = []
        for start in range(0, len(messages), BATCH):
            batch = messages[start : start + BATCH]
            entries: list[DeleteMessageBatchRequestEntryTypeDef] = [
                {"Id": str(i), "ReceiptHandle": message.receipt} for i, message in enumerate(batch)
            ]
            with aws_errors(f"deleting from {self._url}", grant="sqs:DeleteMessage"):
                answer = self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
            stayed += [f"{batch[int(no['Id'])].id} ({no['Code']})" for no in answer.get("Failed", [])]
        if stayed:
            raise ServiceUnavailable(f"{self._url} kept {len(stayed)} messages: {', '.join(stayed[:5])}")

    def send(self, body: str) -> None:
        """Put a message into the queue: what S3 itself does, and what replays an event by hand."""
        with aws_errors(f"sending to {self._url}", grant="sqs:SendMessage"):
            self._client.send_message(QueueUrl=self._url, MessageBody=body)

    def depth(self) -> int:
        """About how many messages wait or are in somebody's hands."""
        names: list[QueueAttributeNameType] = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
        ]
        with aws_errors(f"looking at {self._url}", grant="sqs:GetQueueAttributes"):
            answer = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)
        return sum(int(count) for count in answer["Attributes"].values())
