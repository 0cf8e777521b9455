"""From a queue message to a registered photo: the row is committed first, then the worker kicked, the message deleted last.

So a crash at any point leaves the message to come again, and the photo's name (bucket, key, version) makes the second time
a no-op. Nobody but this consumer reads the queue: a Celery worker would throw away what it does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from threading import Event
from typing import TYPE_CHECKING, Self

import structlog
from sqlalchemy.exc import ProgrammingError

from inventory_match.db import chores, photos, resting, retention, sequence, site
from inventory_match.db.engine import now
from inventory_match.domain.errors import InventoryMatchError, MessageUnreadable, ServiceUnavailable
from inventory_match.domain.photos import CLOCK_TOLERANCE, ObjectRemoved, PhotoUploaded, captured_at
from inventory_match.s3 import events

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from inventory_match.db.engine import UnitOfWork
    from inventory_match.ports import Kicker
    from inventory_match.s3.queue import Message, SqsQueue

_log = structlog.get_logger(__name__)
PAUSE_S = 2.0
"""Between tries while a server is away."""
DELIVERIES = 5
"""How often a message may come that fails for a reason nobody foresaw, before it is kept as rejected."""
CATALOG_PREFIX = "catalog/"
ENCODERS_PREFIX = "encoders/"
"""Where reference photos and encoder files are kept in the same bucket; they are not camera uploads."""
OURS = (CATALOG_PREFIX, ENCODERS_PREFIX)


@dataclass(frozen=True, slots=True)
class News:
    """A photo just registered, for the log: said once it is committed. `message_id` is None where a scan found it."""

    photo_id: int
    key: str
    camera: str | None
    message_id: str | None


_Told = tuple[PhotoUploaded | ObjectRemoved, str]
"""What a message told, and the message's id."""


@dataclass(slots=True)
class Taken:
    """What a batch of messages, or a scan, led to."""

    news: list[News] = field(default_factory=list)
    registered: list[int] = field(default_factory=list)
    unrouted: list[int] = field(default_factory=list)
    back: list[int] = field(default_factory=list)
    """Rested as superseded, and a scan finds the very same version in the bucket."""
    known: int = 0
    removed: int = 0
    rejected: int = 0

    def __iadd__(self, other: Taken) -> Self:
        self.news += other.news
        self.registered += other.registered
        self.unrouted += other.unrouted
        self.back += other.back
        self.known += other.known
        self.removed += other.removed
        self.rejected += other.rejected
        return self


def consume(
    queue: SqsQueue,
    unit_of_work: UnitOfWork,
    kicker: Kicker,
    buckets: Collection[str],
    stopping: Event,
    turned: Callable[[], None] = lambda: None,
) -> None:
    """Long-polls the queue until told to stop. Neither an outage nor what a message holds is the end of the intake.

    `turned` is called with every turn, for whoever watches whether there are any.
    """

    def take(messages: list[Message]) -> None:
        take_messages(messages, unit_of_work, kicker, buckets)

    while not stopping.is_set():
        turned()
        try:
            messages = queue.receive()
            if messages:
                queue.delete(_taken(messages, take, unit_of_work))
        except ServiceUnavailable as error:
            # The messages come again once their visibility ends.
            _log.warning("intake waits", cause=str(error))
            stopping.wait(PAUSE_S)


def _taken(messages: list[Message], take: Callable[[list[Message]], None], unit_of_work: UnitOfWork) -> list[Message]:
    """Takes a batch; returns the messages that are done with.

    Where the batch fails for a reason nobody foresaw, each message is taken by itself, so that the one to blame holds up
    none of the others. It comes again a few times, in case its trouble passes, and is then kept as rejected.
    """
    try:
        take(messages)
    except (InventoryMatchError, ProgrammingError):  # a server that is away, or a database that is not ours
        raise
    except Exception:  # noqa: BLE001 - logged; and each is tried again by itself
        _log.exception("a batch of messages failed; they are taken one by one", messages=len(messages))
        return [message for message in messages if _taken_alone(message, take, unit_of_work)]
    return messages


def _taken_alone(message: Message, take: Callable[[list[Message]], None], unit_of_work: UnitOfWork) -> bool:
    try:
        take([message])
    except (InventoryMatchError, ProgrammingError):
        raise
    except Exception as error:  # noqa: BLE001 - logged; and it comes again, or is kept with its cause
        _log.exception("a message failed", message_id=message.id, delivery=message.receive_count)
        if message.receive_count < DELIVERIES:
            return False
        with unit_of_work() as session:
            photos.record_rejected(session, message.id, message.body, f"{type(error).__name__}: {error}")
    return True


def take_messages(
    messages: Iterable[Message], unit_of_work: UnitOfWork, kicker: Kicker, buckets: Collection[str]
) -> Taken:
    """Registers every photo the messages tell of, commits, then kicks. Deleting the messages is left to the caller.

    Whoever registers several photos in one transaction does so in the order of their names, as a scan does beside us: else two
    of them would wait for each other's rows.
    """
    taken, told = Taken(), list[_Told]()
    with unit_of_work() as session:
        cameras = site.cameras_held(session)
        for message in sorted(messages, key=lambda one: one.id):
            taken += _read(session, message, buckets, told)
        for event, message_id in sorted(told, key=lambda one: _name(one[0])):
            taken += _take_event(session, event, cameras, message_id)
    _tell(taken.news)
    kick_all(kicker, taken.registered)
    _log.info("messages taken", registered=len(taken.registered), known=taken.known, rejected=taken.rejected)
    return taken


def scan(
    listed: Iterable[PhotoUploaded],
    unit_of_work: UnitOfWork,
    kicker: Kicker,
    progress: Callable[[int], None],
    batch: int = 500,
) -> Taken:
    """Registers what no event announced; batches commit as they go, so an interrupted scan only has to be run again.

    A photo that was put down as superseded and is listed all the same is given back: its store had told something untrue.
    """
    total, waiting = Taken(), list[PhotoUploaded]()

    def flush() -> None:
        nonlocal total
        total += _take_listed(waiting, unit_of_work, kicker)
        progress(len(waiting))
        waiting.clear()

    try:
        for uploaded in listed:
            if not uploaded.ref.key.startswith(OURS):
                waiting.append(uploaded)
            if len(waiting) >= batch:
                flush()
        flush()
    finally:
        # Its own transaction, after the work, which a figure that cannot be written must not take back. Also for a scan
        # that breaks off: the next one knows what this one found.
        with unit_of_work() as session:
            found = len(total.registered) + len(total.unrouted)
            chores.add_up(session, "scan", found=found, back=len(total.back))
    return total


def _take_listed(listed: list[PhotoUploaded], unit_of_work: UnitOfWork, kicker: Kicker) -> Taken:
    taken, refs = Taken(), [uploaded.ref for uploaded in listed]
    with unit_of_work() as session:
        cameras = site.cameras_held(session)
        for uploaded in sorted(listed, key=_name):
            taken += _register(session, uploaded, "scan", cameras)
        taken.back = resting.give_back_listed(session, refs)
        taken.known -= len(taken.back)
        retention.seen_again(session, refs)
    _tell(taken.news)
    kick_all(kicker, taken.registered + taken.back)
    if taken.back:
        _log.warning("said to be gone, and there", photo_ids=taken.back)
    return taken


def kick_all(kicker: Kicker, photo_ids: Iterable[int]) -> None:
    """Kicks each photo; where Redis is away, the sweep will do it, and nothing is lost but time."""
    for photo_id in photo_ids:
        try:
            kicker.kick(photo_id)
        except ServiceUnavailable as error:
            _log.warning("kick failed; the sweep will repeat it", photo_id=photo_id, cause=str(error))
            return
        _log.info("photo kicked", photo_id=photo_id)


def _tell(news: Iterable[News]) -> None:
    for photo in news:
        where = {"key": photo.key, "camera": photo.camera, "message_id": photo.message_id}
        _log.info("photo registered", photo_id=photo.photo_id, **where)


def _read(session: Session, message: Message, buckets: Collection[str], told: list[_Told]) -> Taken:
    """Adds to `told` what a message tells of our buckets; keeps the message where not all of it could be read or is ours."""
    try:
        parsed = events.parse(message.body)
    except MessageUnreadable as error:
        photos.record_rejected(session, message.id, message.body, str(error))
        _log.warning("message rejected", message_id=message.id, cause=str(error)[: photos.LONGEST_CAUSE])
        return Taken(rejected=1)
    causes = list(parsed.broken)
    for event in parsed.events:
        bucket, key, _ = _name(event)
        if bucket not in buckets:
            causes.append(f"bucket {bucket!r} is not one of ours")
        elif not key.startswith(OURS):
            told.append((event, message.id))
    if not causes:
        return Taken()
    # Once: the body is kept with its cause, and a record may be a thousandth of it.
    photos.record_rejected(session, message.id, message.body, "; ".join(dict.fromkeys(causes)))
    return Taken(rejected=1)


def _name(event: PhotoUploaded | ObjectRemoved) -> tuple[str, str, str]:
    """Bucket, key and version (empty where a delete names none), by which registrations are ordered."""
    if isinstance(event, PhotoUploaded):
        return event.ref.bucket, event.ref.key, event.ref.version
    return event.bucket, event.key, event.version_id or ""


def _take_event(
    session: Session, event: PhotoUploaded | ObjectRemoved, cameras: site.Cameras, message_id: str
) -> Taken:
    if isinstance(event, ObjectRemoved):
        photos.record_removal(session, event)
        taken = Taken(removed=1)
    else:
        taken = _register(session, event, "event", cameras, message_id)
    sequence.settle_order(session, event)
    return taken


def _register(
    session: Session, uploaded: PhotoUploaded, source: str, cameras: site.Cameras, message_id: str | None = None
) -> Taken:
    arrived = now(session)
    # Nothing is told before it happens; believed, it froze its shelf.
    if uploaded.event_time - arrived > CLOCK_TOLERANCE:
        uploaded = replace(uploaded, event_time=arrived)
    routed = site.route(cameras, uploaded.ref.key)
    camera, match = routed or (None, None)
    captured = captured_at(uploaded.event_time, from_key=match.captured_at if match else None, from_exif=None)
    photo_id = photos.register(session, uploaded, source, captured, camera)
    if photo_id is None:
        return Taken(known=1)
    news = [News(photo_id, uploaded.ref.key, camera.camera if camera else None, message_id)]
    return Taken(news, registered=[photo_id]) if camera else Taken(news, unrouted=[photo_id])
