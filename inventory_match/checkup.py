"""Looks at everything the product depends on, one small check each, and says how to mend what is wrong.

Checks that share a server form a chain and run one after the other; chains run side by side, each in its own thread with its
own time, so that one dead server delays no other. What cannot be judged because an earlier check of its chain failed says so.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlalchemy.exc import DBAPIError

from inventory_match.bootstrap import App, migrations
from inventory_match.db import catalog, health, migrate
from inventory_match.domain.errors import ConfigurationError, InventoryMatchError, ServiceUnavailable

CHAIN_SECONDS = 20.0
OLDEST_POSTGRES = 15
"""`unique nulls not distinct` came with it."""
NEEDED_PGVECTOR, SOUND_PGVECTOR = (0, 8, 0), (0, 8, 4)
"""0.8.0 brought iterative scans; before 0.8.4 an HNSW index could be corrupted by parallel builds and by vacuum."""
STUCK_AFTER = timedelta(minutes=15)
QUEUES = frozenset({"photos", "chores", "embedding"})


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Found:
    """What a look found; `cure` is empty where nothing needs mending."""

    verdict: Verdict
    detail: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report."""

    name: str
    verdict: Verdict
    detail: str
    cure: str


@dataclass(frozen=True, slots=True)
class Step:
    """A look at one thing. `cure` is for when it raises; `needs` names the step of the same chain it cannot do without."""

    name: str
    look: Callable[[App], Found]
    cure: str
    needs: str | None = None


def check_all(app: App, seconds: float = CHAIN_SECONDS) -> list[Check]:
    """Every check, in the order of `CHAINS`; takes at most `seconds`."""
    results: dict[str, Check] = {}
    threads = [threading.Thread(target=_walk, args=(app, chain, results), daemon=True) for chain in CHAINS]
    for thread in threads:
        thread.start()
    until = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    late = f"no answer within {seconds:g} s"
    done = dict(results)
    return [done.get(s.name, Check(s.name, Verdict.FAIL, late, s.cure)) for chain in CHAINS for s in chain]


def _walk(app: App, chain: Sequence[Step], results: dict[str, Check]) -> None:
    down = set[str]()
    for step in chain:
        blocked = step.needs in down
        found = Found(Verdict.WARN, f"not looked at: {step.needs} comes first") if blocked else _look(app, step)
        if blocked or found.verdict is Verdict.FAIL:
            down.add(step.name)
        results[step.name] = Check(step.name, found.verdict, found.detail, found.cure)


def _look(app: App, step: Step) -> Found:
    try:
        return step.look(app)
    except InventoryMatchError as error:
        return Found(Verdict.FAIL, str(error), step.cure)
    except DBAPIError as error:
        return Found(Verdict.FAIL, str(error.orig).splitlines()[0], step.cure)
    except Exception as error:  # noqa: BLE001 - whatever is wrong is what this report is about; the others go on
        # The type only: the message of an unforeseen error may quote an address with its password.
        return Found(Verdict.FAIL, f"{type(error).__name__} (details would show secrets)", step.cure)


def postgres(app: App) -> Found:
    with app.engine.connect() as connection:
        major, version = health.server_version(connection)
    if major < OLDEST_POSTGRES:
        return Found(Verdict.FAIL, f"PostgreSQL {version}", f"upgrade to PostgreSQL {OLDEST_POSTGRES} or newer")
    return Found(Verdict.OK, f"PostgreSQL {version} on {app.engine.url.host or 'localhost'}/{app.engine.url.database}")


def pgvector(app: App) -> Found:
    with app.engine.connect() as connection:
        version = health.pgvector_version(connection)
    if version is None:
        return Found(Verdict.FAIL, "not installed in this database", "as a superuser: create extension vector")
    have = tuple(int(part) for part in version.split(".")[:3])
    update = "install a newer pgvector on the server, then: alter extension vector update"
    if have < NEEDED_PGVECTOR:
        return Found(Verdict.FAIL, f"{version} is too old, 0.8.0 is needed", update)
    if have < SOUND_PGVECTOR:
        return Found(Verdict.WARN, f"{version} has bugs that corrupt indexes, fixed in 0.8.4", update)
    return Found(Verdict.OK, version)


def migrated(app: App) -> Found:
    expected = migrate.head(migrations())
    with app.engine.connect() as connection:
        revision = migrate.current(connection)
    if revision != expected:
        return Found(
            Verdict.FAIL, f"at {revision or 'none'}, the code expects {expected}", "inventory-match db upgrade"
        )
    return Found(Verdict.OK, f"at {revision}")


def drift(app: App) -> Found:
    with app.engine.connect() as connection:
        differences = migrate.drift(connection)
    if differences:
        cure = "the schema was changed by hand: `inventory-match db check` lists what differs"
        return Found(Verdict.FAIL, f"{len(differences)} differences from the models", cure)
    return Found(Verdict.OK, "as the models say")


def roles(app: App) -> Found:
    with app.engine.connect() as connection:
        unable = health.unable_roles(connection)
    if unable:
        cure = "have a DBA run what `inventory-match db roles` prints"
        return Found(Verdict.FAIL, f"missing, or without its rights: {', '.join(unable)}", cure)
    return Found(Verdict.OK, "inventory_reader and inventory_writer have what they need")


def registered(app: App) -> Found:
    with app.unit_of_work() as session:
        if not catalog.has_active_encoder(session):
            cure = "`inventory-match db upgrade` makes the configured one the active one"
            return Found(Verdict.FAIL, "none is active", cure)
        row = catalog.active_encoder(session)
    try:
        app.encoder_files.record(row)
    except ConfigurationError as error:  # it says how to mend this; the cure of the step is for a server that is away
        return Found(Verdict.FAIL, str(error))
    return Found(Verdict.OK, f"{row.name}, sha256 {row.sha256[:12]}, is active")


def flowing(app: App) -> Found:
    with app.unit_of_work() as session:
        stuck = health.stuck_photos(session, STUCK_AFTER)
    if stuck:
        cure = "is a worker running, and beat? `inventory-match photos list --state registered` shows them"
        return Found(Verdict.WARN, f"{stuck} photos have waited longer than 15 min", cure)
    return Found(Verdict.OK, "no photo waits longer than 15 min")


def encoder_file(app: App) -> Found:
    record = app.encoder_record
    return Found(Verdict.OK, f"{record.name} ({record.arch}, {record.dim} dimensions), sha256 {record.sha256[:12]}")


def bucket(app: App) -> Found:
    names = sorted(app.settings.buckets | {app.settings.bucket})
    for name in names:
        next(iter(app.store.list_objects(name)), None)
    return Found(Verdict.OK, f"{', '.join(names)} can be listed")


def queue(app: App) -> Found:
    if not app.settings.queue_url:
        return Found(Verdict.FAIL, "not set", "set INVENTORY_MATCH_QUEUE_URL to the queue the bucket notifies")
    return Found(Verdict.OK, f"about {app.queue.depth()} messages wait")


def redis(app: App) -> Found:
    from redis import Redis, RedisError

    url, patience = app.settings.redis_url.get_secret_value(), {"socket_timeout": 5, "socket_connect_timeout": 5}
    try:
        with Redis.from_url(url, **patience) as client:
            client.ping()
    except RedisError as error:
        raise ServiceUnavailable(str(error)) from error
    return Found(Verdict.OK, "answers")


def workers(app: App) -> Found:
    serving = queues_served(app)
    cure = "start one: inventory-match worker"
    if not serving:
        return Found(Verdict.WARN, "none answers", cure)
    if unserved := QUEUES - set[str]().union(*serving.values()):
        return Found(Verdict.WARN, f"{len(serving)} answer, and none serves {', '.join(sorted(unserved))}", cure)
    return Found(Verdict.OK, f"{len(serving)} answer")


def queues_served(app: App, seconds: float = 2.0) -> dict[str, set[str]]:
    """Names of the workers that answer within `seconds`, each with the queues it serves. Raises ServiceUnavailable."""
    from celery import Celery
    from kombu.exceptions import OperationalError
    from redis import RedisError

    patience = {"socket_timeout": 5, "socket_connect_timeout": 5, "max_retries": 1}
    with Celery(broker=app.settings.redis_url.get_secret_value(), set_as_current=False) as celery:
        celery.conf.broker_transport_options = patience
        try:
            answers = celery.control.inspect(timeout=seconds).active_queues()
        except (OperationalError, RedisError) as error:
            raise ServiceUnavailable(f"redis: {error}") from error
    return {name: {queue["name"] for queue in served} for name, served in (answers or {}).items()}


_GRANT = "check the endpoint, the region, the credentials and their rights (README: least-privilege policy)"
CHAINS: tuple[tuple[Step, ...], ...] = (
    (
        Step("postgres", postgres, "start it, or correct INVENTORY_MATCH_DATABASE_URL"),
        Step("pgvector", pgvector, "as a superuser: create extension vector", needs="postgres"),
        Step("migrations", migrated, "inventory-match db upgrade", needs="postgres"),
        Step("schema", drift, "inventory-match db check", needs="migrations"),
        Step("roles", roles, "have a DBA run what `inventory-match db roles` prints", needs="migrations"),
        Step("encoder in use", registered, _GRANT, needs="migrations"),
        Step("photos", flowing, "inventory-match photos list", needs="migrations"),
    ),
    (
        Step("redis", redis, "start it, or correct INVENTORY_MATCH_REDIS_URL"),
        Step("workers", workers, "start one: inventory-match worker", needs="redis"),
    ),
    (Step("bucket", bucket, _GRANT),),
    (Step("queue", queue, _GRANT),),
    (
        Step(
            "encoder file",
            encoder_file,
            "set INVENTORY_MATCH_ENCODER_FILE and _SHA256, or unset both for the shipped one",
        ),
    ),
)
