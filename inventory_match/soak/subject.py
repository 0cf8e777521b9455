"""What a soak tries: the questions it asks of whatever takes photos and keeps stock, and our own answers to them.

`Facts` are read from the subject's own tables when everything is over; the soak compares them with the plan's truth. Another
subject (the tests bring a plain Celery task) is put under the very same storm by answering the same questions.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from inventory_match import catalog_file, intake, site_file
from inventory_match.apply_site import apply_site
from inventory_match.bootstrap import WORKERS, migrations
from inventory_match.db import migrate, outbox, photos
from inventory_match.domain.events import EventType
from inventory_match.domain.photos import PhotoState
from inventory_match.embedded.supervisor import Command
from inventory_match.enrol import import_catalog
from inventory_match.soak.plan import Plan, site_toml
from inventory_match.soak.stand import Stand

AT_REST = frozenset({"done", "empty", "rejected", "needs_review", "superseded", "dead"})
CLOCKS = {"ahead": 420, "behind": -240}
"""Seconds by which each worker's clock is off; the intake's and beat's are right."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a subject believes. `states`: key to the states of all its photos; `ledger`: (key, sku) to rows."""

    states: Mapping[str, Sequence[str]]
    ledger: Counter[tuple[str, str]]
    received: Mapping[str, int]
    levels: Mapping[tuple[str, str], int]
    reorders: Counter[str]
    told_dead: Collection[str] = ()
    """Keys of photos that were told to be dead."""


class Subject(Protocol):
    """What is tried. `stand` holds a healthy way to its servers; its processes get the saboteur's."""

    name: str
    pause_s: float
    """The longest it ever waits before it goes on with a photo; after that nothing more is to be expected."""

    def prepare(self, stand: Stand) -> None:
        """Before the first process starts."""

    def commands(self) -> list[Command]:
        """Its processes; those that see photos have names beginning with `worker`, the one that reads the queue is `intake`."""

    def at_rest(self, stand: Stand) -> int:
        """How many uploads have come to rest; asked many times a second."""

    def undelivered(self, stand: Stand) -> int:
        """How many alerts still wait to be sent."""

    def catch_up(self, stand: Stand) -> int:
        """What the operator does first after a storm: look for photos no event told of. Returns how many were found."""

    def try_again(self, stand: Stand) -> int:
        """What the operator does next: photos and alerts that were given up. Returns how many photos."""

    def send_again(self, stand: Stand) -> None:
        """Every alert once more, as after a receiver lost what it had."""

    def facts(self, stand: Stand) -> Facts:
        """What it believes now."""


class Product:
    """Ours, as a user runs it: two workers (both on wrong clocks), the intake, and beat."""

    name = "inventory-match"
    pause_s = 60.0

    def prepare(self, stand: Stand) -> None:
        app = stand.app
        migrate.upgrade(app.engine, migrations())
        apply_site(app.unit_of_work, app.kicker, site_file.parse(site_toml(stand.plan), "site.toml"), datetime.now(UTC))
        catalog = catalog_file.read(stand.catalog)
        import_catalog(app.studio, app.unit_of_work, catalog, strict=True)
        with app.unit_of_work() as session:
            outbox.add_endpoint(session, stand.receiver_url, stand.secret, [])

    def commands(self) -> list[Command]:
        ours = [sys.executable, "-m", "inventory_match"]
        return [
            *(Command(f"worker-{clock}", worker(WORKERS, off), grace=5) for clock, off in CLOCKS.items()),
            Command("intake", [*ours, "intake"]),
            Command("beat", [*ours, "beat"]),
        ]

    def at_rest(self, stand: Stand) -> int:
        resting = "select count(distinct key)::int from inventory_match.photo where state = any(:states)"
        return int(stand.rows(resting, states=sorted(AT_REST))[0][0])

    def undelivered(self, stand: Stand) -> int:
        waiting = "select count(*) from inventory_match.delivery where state = 'pending'"
        return int(stand.rows(waiting)[0][0])

    def catch_up(self, stand: Stand) -> int:
        app = stand.app
        found = intake.scan(app.store.list_objects(app.settings.bucket), app.unit_of_work, app.kicker, lambda _: None)
        return len(found.registered) + len(found.unrouted)

    def try_again(self, stand: Stand) -> int:
        app = stand.app
        failed = stand.rows("select distinct message_id from inventory_match.delivery where state = 'failed'")
        dead = stand.rows("select id from inventory_match.photo where state = :state", state=PhotoState.DEAD)
        with app.unit_of_work() as session:
            driven = photos.redrive(session, [photo_id for (photo_id,) in dead])
            for (message_id,) in failed:
                outbox.resend(session, message_id)
        intake.kick_all(app.kicker, driven)
        return len(driven)

    def send_again(self, stand: Stand) -> None:
        for (message_id,) in stand.rows("select distinct message_id from inventory_match.delivery"):
            with stand.app.unit_of_work() as session:
                outbox.resend(session, message_id)

    def facts(self, stand: Stand) -> Facts:
        ledger = stand.rows(
            "select p.key, e.sku, count(*) from inventory_match.stock_event e"
            # A movement names its photo in its key alone.
            " join inventory_match.photo p on p.id = coalesce(e.photo_id, split_part(e.idempotency_key, ':', 3)::bigint)"
            " group by 1, 2"
        )
        received = stand.rows(
            "select sku, sum(units)::int from inventory_match.stock_event where kind = 'received' group by 1"
        )
        levels = stand.rows("select location, sku, coalesce(units, 0)::int from inventory_match.stock_level")
        dead = "select data ->> 'key' from inventory_match.message where type = :type"
        return Facts(
            states=self._states(stand),
            ledger=Counter({(key, sku): rows for key, sku, rows in ledger}),
            received=dict(received),
            levels={(location, sku): units for location, sku, units in levels},
            reorders=Counter(sku for (sku,) in stand.rows("select sku from inventory_match.reorder")),
            told_dead=[key for (key,) in stand.rows(dead, type=EventType.PHOTO_DEAD)],
        )

    def _states(self, stand: Stand) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for key, state in stand.rows("select key, state from inventory_match.photo"):
            found.setdefault(key, []).append(state)
        return found


def worker(app: str, seconds_off: int, home: Path | None = None) -> list[str]:
    """Arguments of a Celery worker with two processes, on a clock that is off. `home`: where `app` is imported from."""
    modules = ["inventory_match.soak.skewed", str(seconds_off), "celery"]
    options = ["--concurrency", "2", "--loglevel", "INFO", "--without-gossip", "--without-mingle"]
    name = ["--hostname", f"clock{seconds_off:+d}@%h"]
    queues = ["--queues", "photos,chores,embedding"]
    where = [] if home is None else ["--workdir", str(home)]
    return [sys.executable, "-m", *modules, "--quiet", *where, "--app", app, "worker", *options, *name, *queues]


__all__ = ["AT_REST", "Facts", "Plan", "Product", "Subject", "worker"]
