"""`kill -9` between a receiver's answer and our writing it down: the webhook comes again, and its receiver can tell."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime

from sqlalchemy import text

from inventory_match.db import outbox
from inventory_match.domain.events import EventType
from inventory_match.embedded.machine import Machine
from inventory_match.webhooks.receiver import Received, WebhookReceiver
from inventory_match.webhooks.signing import new_secret

from .conftest import LOCKED, Shop, kill, patiently, running

ROUND = """
from datetime import UTC, datetime, timedelta
from inventory_match import delivery
from inventory_match.bootstrap import App
from inventory_match.settings import Settings
app = App(Settings())
delivery.deliver_due(app.unit_of_work, app.sender, [timedelta(0)], timedelta(seconds=1), lambda: datetime.now(UTC))
"""
"""What the task `deliver_webhooks` does, its claims a second long."""


def test_a_webhook_answered_and_not_yet_marked_sent_comes_again_under_the_same_id(machine: Machine, shop: Shop) -> None:
    got, held = list[Received](), ExitStack()
    url = shop.app.settings.database_url.get_secret_value()
    environment = machine.environment() | {
        "INVENTORY_MATCH_DATABASE_URL": url, "INVENTORY_MATCH_WEBHOOK_ALLOW": "127.0.0.1",
    }  # fmt: skip

    def take(received: Received) -> None:
        """Before its first answer goes out, the row it will be written to is locked."""
        got.append(received)
        if len(got) == 1:
            connection = held.enter_context(shop.app.engine.connect())
            connection.execute(text("select from inventory_match.delivery for update"))

    secret = new_secret(bytes(32))
    with WebhookReceiver([secret], take) as listening, held:
        with shop.app.unit_of_work() as session:
            outbox.add_endpoint(session, listening.url, secret, [])
            message = outbox.emit(session, EventType.STOCK_LOW, {"sku": "A"}, datetime.now(UTC))
        with running("-c", ROUND, environment=environment) as doomed:
            patiently(lambda: shop.one(LOCKED) == 1, process=doomed)
            kill(doomed)
        held.close()
        patiently(lambda: shop.one("select next_attempt_at <= now() from inventory_match.delivery"))
        with running("-c", ROUND, environment=environment) as next_one:
            assert next_one.wait(60) == 0, next_one.communicate()[0]
    assert [(one.message_id, one.verified, one.answered) for one in got] == [(message, True, 204)] * 2
    assert got[0].payload == got[1].payload
    assert shop.rows("select state, attempts::int from inventory_match.delivery") == [("delivered", 2)]
    assert shop.one("select count(*) from inventory_match.delivery_attempt") == 1, "of the first nobody could write"
