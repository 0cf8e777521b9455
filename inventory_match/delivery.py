"""From the outbox to the receivers: claims due deliveries, posts each signed, and logs what came back.

The claim is committed before the POST and the answer after it, so nothing is held open meanwhile. A sender that dies in
between leaves the delivery to be sent again under the same id; receivers keep the id to tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import random
from typing import TYPE_CHECKING

import structlog

from inventory_match import measures
from inventory_match.db import outbox
from inventory_match.domain.errors import InvalidInput
from inventory_match.webhooks import signing
from inventory_match.webhooks.sender import Answer

if TYPE_CHECKING:
    from inventory_match.db.engine import UnitOfWork
    from inventory_match.db.outbox import Due
    from inventory_match.webhooks.sender import WebhookSender

_log = structlog.get_logger(__name__)
GONE = 410
JITTER = 0.1
"""Waits are up to a tenth longer, so that a receiver coming back is not met by everything at once."""
MOST_AT_ONCE = 4
"""Fewer than the pool of database connections holds, so that recording an answer never waits for one."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one round did."""

    sent: int = 0
    failed: int = 0


def deliver_due(
    unit_of_work: UnitOfWork,
    sender: WebhookSender,
    schedule: Sequence[timedelta],
    lease: timedelta,
    clock: Callable[[], datetime],
    limit: int = 20,
) -> Delivered:
    """Posts due deliveries until none is left, or about `limit` are done; a few at the same time.

    `schedule`: waits after each failed attempt; used up means failed. `lease` must outlast one POST: no more are claimed
    than begin at once, so that none outlives its lease waiting for its turn and is posted by another worker too.
    """
    answers: list[bool] = []
    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        while len(answers) < limit:
            with unit_of_work() as session:
                due = outbox.claim_due(session, lease, MOST_AT_ONCE)
            if not due:
                break
            answers += pool.map(lambda one: _deliver(unit_of_work, sender, schedule, one, clock()), due)
    return Delivered(sum(answers), len(answers) - sum(answers))


def _deliver(
    unit_of_work: UnitOfWork, sender: WebhookSender, schedule: Sequence[timedelta], due: Due, now: datetime
) -> bool:
    answer = _post(sender, due, now)
    again = signing.next_attempt(due.attempt, now, schedule, random() * JITTER, answer.retry_after)
    with unit_of_work() as session:
        if answer.status == GONE:
            # Before the delivery itself: several answers of a receiver that is gone, each holding its own delivery, would
            # wait in a circle for the others that disabling cancels.
            outbox.disable_endpoint(session, due.endpoint_id, "the receiver answered 410 Gone")
        outbox.record_attempt(
            session,
            due,
            status=answer.status,
            error=answer.error,
            duration_ms=answer.duration_ms,
            wait=None if again is None else again - now,
        )
    measures.webhook_posted("delivered" if answer.delivered else "failed")
    _log.info(
        "webhook posted",
        message_id=due.message_id,
        type=due.type,
        photo_id=due.photo_id,
        endpoint=due.endpoint_id,
        attempt=due.attempt,
        status=answer.status,
        error=answer.error,
    )
    return answer.delivered


def _post(sender: WebhookSender, due: Due, now: datetime) -> Answer:
    """One endpoint whose stored secret is damaged must not stop the round: that too is an attempt with a cause."""
    try:
        return sender.post(due.url, signing.headers(due.secrets, due.message_id, now, due.body), due.body)
    except InvalidInput as error:
        return Answer(None, f"not sent: {error}", 0)
