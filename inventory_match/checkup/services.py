"""Looks at what stands beside Postgres: the model files, the bucket, the queue, Redis and the workers behind it."""

from __future__ import annotations

from inventory_match.bootstrap import App
from inventory_match.checkup.chains import Found, Verdict
from inventory_match.domain.errors import ServiceUnavailable

QUEUES = frozenset({"photos", "chores", "embedding"})


def encoder_file(app: App) -> Found:
    record = app.encoder_record
    return Found(Verdict.OK, f"{record.name} ({record.arch}, {record.dim} dimensions), sha256 {record.sha256[:12]}")


def detector_file(app: App) -> Found:
    record = app.detector_record
    return Found(Verdict.OK, f"{record.name} ({record.arch}, looks at {record.side} px), sha256 {record.sha256[:12]}")


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


def workers(app: App, unserved: Verdict) -> Found:
    """`unserved`: what it means where nobody answers, or nobody for one of the queues."""
    serving = queues_served(app)
    cure = "start one: inventory-match worker"
    if not serving:
        return Found(unserved, "none answers", cure)
    if alone := QUEUES - set[str]().union(*serving.values()):
        return Found(unserved, f"{len(serving)} answer, and none serves {', '.join(sorted(alone))}", cure)
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
