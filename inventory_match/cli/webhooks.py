"""`inventory-match webhooks`: who is told, with which secret, what became of it, and a receiver to try it with."""

from __future__ import annotations

import json
import secrets
import signal
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import TextIO

import click

from inventory_match.bootstrap import App
from inventory_match.cli.frame import plain_errors, say, table, with_app
from inventory_match.cli.parameters import brief, duration
from inventory_match.db import outbox, views
from inventory_match.domain.errors import ConfigurationError, Conflict, InvalidInput, NotFound
from inventory_match.domain.events import EventType
from inventory_match.webhooks.receiver import Received, WebhookReceiver
from inventory_match.webhooks.signing import check_secret, new_secret

_ONCE = "this is shown once; give it to the receiver"


@click.group()
def webhooks() -> None:
    """Receivers of signed webhooks (Standard Webhooks): add, rotate, look, resend, listen."""


@webhooks.command("add")
@click.argument("url")
@click.option("--types", default="", help=f"Which events, by commas; default: all of {', '.join(EventType)}.")
@with_app
def add(app: App, url: str, types: str) -> None:
    """Send webhooks to URL from now on; prints the secret they are signed with."""
    wanted = _types(types)
    app.sender.check_url(url)
    secret = new_secret(secrets.token_bytes(32))
    with app.unit_of_work() as session:
        there = next((each for each in outbox.endpoints(session) if each.url == url), None)
        if there is not None and there.disabled_at is None:
            cure = f"`inventory-match webhooks rotate {there.id}` makes a new secret"
            raise Conflict(f"{url} is webhook {there.id} already ({cure})")
        endpoint_id = outbox.add_endpoint(session, url, secret, wanted)
    say(f"webhook {endpoint_id} added")
    say(f"secret {secret}  ({_ONCE})")


@webhooks.command("list")
@with_app
def list_(app: App) -> None:
    """Every receiver; an empty list of types means all."""
    with app.unit_of_work() as session:
        rows = [
            (each.id, each.url, ", ".join(each.event_types) or "all", brief(each.created_at), each.disabled_cause)
            for each in outbox.endpoints(session)
        ]
    table("Webhooks", ("id", "url", "types", "added", "disabled because"), rows)


@webhooks.command("rotate")
@click.argument("endpoint_id", type=int)
@click.option(
    "--overlap", type=duration, default="24h", show_default=True, help="How long the old secret signs as well."
)
@with_app
def rotate(app: App, endpoint_id: int, overlap: timedelta) -> None:
    """Sign with a new secret; the old one signs beside it until the overlap is over."""
    secret = new_secret(secrets.token_bytes(32))
    with app.unit_of_work() as session:
        outbox.rotate_secret(session, endpoint_id, secret, overlap)
    say(f"webhook {endpoint_id} rotated")
    say(f"secret {secret}  ({_ONCE})")


@webhooks.command("disable")
@click.argument("endpoint_id", type=int)
@with_app
def disable(app: App, endpoint_id: int) -> None:
    """Send nothing more to a receiver; `add` with the same URL enables it again."""
    with app.unit_of_work() as session:
        outbox.disable_endpoint(session, endpoint_id, "disabled by hand")
    say(f"webhook {endpoint_id} is disabled")


@webhooks.command("deliveries")
@click.option("--state", help="pending, delivered, failed, cancelled, held, in digest or no endpoint.")
@click.option("-n", "limit", type=click.IntRange(min=1), default=50, show_default=True)
@with_app
def deliveries(app: App, state: str | None, limit: int) -> None:
    """What was sent to whom and what came of it, newest first, as the view webhook_log has it."""
    columns = (
        "created_at", "message_id", "type", "store", "sku", "endpoint_id", "state", "attempts", "last_status", "last_error",
    )  # fmt: skip
    with app.unit_of_work() as session:
        rows = views.read(session, "webhook_log", columns, newest_by="created_at", limit=limit, state=state)
    table("Deliveries", columns, ((brief(row.created_at), *row[1:]) for row in rows))


@webhooks.command("resend")
@click.argument("message_id")
@click.option("--endpoint", "endpoint_id", type=int, help="Only to this receiver.")
@with_app
def resend(app: App, message_id: str, endpoint_id: int | None) -> None:
    """Send a message again, under its own id, so that receivers can tell it is the same."""
    with app.unit_of_work() as session:
        sent = outbox.resend(session, message_id, endpoint_id)
    if not sent:
        receiver = f"webhook {endpoint_id}" if endpoint_id else "any webhook"
        raise NotFound(f"message {message_id} never went to {receiver} that is enabled")
    say(f"{message_id} goes to {sent} receiver(s) again within {app.settings.deliver_interval:g} s")


@webhooks.command("listen")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8787, show_default=True, help="On 127.0.0.1; 0: any free."
)
@click.option(
    "--secret-file",
    type=click.File(encoding="utf-8"),
    help="whsec_... as `webhooks add` printed it, one a line. Default: asked for, or read from standard input.",
)
def listen(port: int, secret_file: TextIO | None) -> None:
    """Receive on this machine, verify, and print each message until Ctrl-C. To try it out, not for production."""
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    with plain_errors(), _receiver(port, _secrets(secret_file)) as receiver:
        click.echo(f"listening on {receiver.url}")
        stopping.wait()


def _secrets(file: TextIO | None) -> tuple[str, ...]:
    """Never from the command line: every user of the machine can read those of others."""
    if file is None and sys.stdin.isatty():
        found = tuple(str(click.prompt("secret", hide_input=True)).split())
    else:
        found = tuple((file or sys.stdin).read().split())
    if not found:
        raise InvalidInput(
            "no secret to verify with", key="--secret-file", cure="one a line, as `webhooks add` printed it"
        )
    for secret in found:
        check_secret(secret)
    return found


def _receiver(port: int, secret: tuple[str, ...]) -> WebhookReceiver:
    try:
        return WebhookReceiver(secret, _show, port=port)
    except OSError as error:
        raise ConfigurationError(f"port {port} cannot be listened on: {error.strerror}; give another --port") from error


def _show(received: Received) -> None:
    at = datetime.now(UTC).strftime("%H:%M:%S")
    if received.verified:
        say(f"{at} verified {received.type} {received.message_id} {json.dumps(received.payload, ensure_ascii=False)}")
    else:
        say(f"{at} REFUSED {received.message_id or '(no id)'}: {received.complaint}")


def _types(text: str) -> list[EventType]:
    names = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [name for name in names if name not in set(EventType)]
    if unknown:
        raise InvalidInput(f"no such type: {', '.join(unknown)}", key="--types", cure=f"use {', '.join(EventType)}")
    return [EventType(name) for name in names]
