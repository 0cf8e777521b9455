"""The tasks: each looks up its parts and calls one function. State is checked again inside, so redelivery is safe."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from inventory_match import chores, delivery, pipeline, reembed, retention
from inventory_match.db import outbox
from inventory_match.db.catalog import builds

from .app import app, app_parts

if TYPE_CHECKING:
    from celery import Task

INDEX_SECONDS = 3 * 3600
"""The last step of a build makes an index, which takes minutes where references are hundreds of thousands."""

RETENTION_SECONDS = 120
"""Of an hour; what is left waits for the next."""


@app.task(name="inventory_match.process_photo")
def process_photo(photo_id: int) -> None:
    """Sees and settles one photo, then sends what it had to say."""
    parts = app_parts()
    eyes, rules = parts.sight()
    state = pipeline.process(photo_id, eyes, rules, parts.patience, parts.unit_of_work, parts.clock())
    if state is not None:  # a kick that came twice has nothing to say
        deliver_webhooks.delay()


@app.task(name="inventory_match.deliver_webhooks")
def deliver_webhooks() -> None:
    """Posts what is due in the outbox."""
    parts = app_parts()
    settings = parts.settings
    waits = [timedelta(seconds=wait) for wait in settings.webhook_waits]
    lease = timedelta(seconds=settings.webhook_timeout * 4)
    delivery.deliver_due(parts.unit_of_work, parts.sender, waits, lease, parts.clock)


@app.task(name="inventory_match.sweep")
def sweep() -> None:
    """Kicks what waits, buries what is used up, judges what plain SQL moved."""
    parts = app_parts()
    rekick = timedelta(seconds=parts.settings.rekick_after)
    chores.sweep(parts.unit_of_work, parts.kicker, parts.settings.photo_attempts, rekick, parts.clock())
    if chores.judge_moved(parts.unit_of_work, parts.clock()):
        deliver_webhooks.delay()


@app.task(name="inventory_match.embed_references", time_limit=INDEX_SECONDS, bind=True)
def embed_references(self: Task[..., None], encoder_id: int, alone: bool = False) -> None:
    """Gives an encoder a few of the vectors it lacks, and comes again for the next; carefully where the last one died."""
    parts = app_parts()
    died = alone or bool((self.request.delivery_info or {}).get("redelivered"))
    wait = reembed.step(parts.workshop, parts.unit_of_work, encoder_id, alone=died)
    if wait is not None:
        embed_references.apply_async((encoder_id,), countdown=wait)


@app.task(name="inventory_match.embed_missing")
def embed_missing() -> None:
    """Sees that the active encoder's file is kept, and sets to work on what encoders lack and nobody is embedding."""
    parts = app_parts()
    parts.encoder_files.keep_active(parts.unit_of_work)
    with parts.unit_of_work() as session:
        waiting = builds.idle_builds(session)
    for encoder_id in waiting:
        embed_references.delay(encoder_id, alone=True)  # nobody knows why it stood still


@app.task(name="inventory_match.notice_silence")
def notice_silence() -> None:
    """Raises `camera.silent`."""
    parts = app_parts()
    chores.notice_silence(parts.unit_of_work, parts.clock())


@app.task(name="inventory_match.flush_digests")
def flush_digests() -> None:
    """Sends what the hourly ceiling held back."""
    parts = app_parts()
    with parts.unit_of_work() as session:
        outbox.flush_digests(session, parts.clock())


@app.task(name="inventory_match.expire_photos")
def expire_photos() -> None:
    """Lets go of photos past their time, and of what else is too old."""
    parts = app_parts()
    policy = retention.Policy.of(parts.settings)
    retention.run(parts.unit_of_work, parts.store, policy, RETENTION_SECONDS)
