"""What stands in Postgres, in the S3 queue and in Redis, as metrics: read when asked, so any one endpoint tells of everything.

A server that does not answer leaves its figures out and says so in `inventory_match_up`; the others' figures stay.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from inventory_match.checkup import QUEUES
from inventory_match.db import vitals
from inventory_match.domain.photos import PhotoState
from inventory_match.timely import Timely

if TYPE_CHECKING:
    from prometheus_client import Metric

    from inventory_match.bootstrap import App

T = TypeVar("T")
SECONDS = 3.0
"""For all servers together: Prometheus gives a scrape ten."""
KEEP = 1.0
_log = structlog.get_logger(__name__)
_DELIVERIES = ("pending", "delivered", "failed", "cancelled")


class Truth:
    """The figures of one product, for whoever asks."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._postgres = _Server("postgres", self._ask_postgres, _of_postgres)
        self._redis = _Server("redis", self._ask_redis, _of_redis)
        self._queue = _Server("queue", self._ask_queue, _of_queue)

    def exposed(self) -> bytes:
        """In Prometheus' text format."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Once(list(self._families())))
        return generate_latest(registry)

    def _families(self) -> Iterator[Metric]:
        asked = [self._postgres, self._redis, *([self._queue] if self._app.settings.queue_url else [])]
        begun = [(each, each.begin()) for each in asked]
        until = time.monotonic() + SECONDS
        up = GaugeMetricFamily(
            "inventory_match_up", "1 where the server answered this scrape in time.", labels=["server"]
        )
        for each, answer in begun:
            yield from each.families(up, until - time.monotonic(), answer)
        yield up

    def _ask_postgres(self) -> vitals.Vitals:
        with self._app.unit_of_work() as session:
            return vitals.take(session)

    def _ask_queue(self) -> int:
        return self._app.queue.depth()

    def _ask_redis(self) -> dict[str, int]:
        from redis import Redis

        url = self._app.settings.redis_url.get_secret_value()
        with Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
            return {name: int(client.llen(name)) for name in sorted(QUEUES)}


class _Server:
    """One server: how it is asked, and what its answer says."""

    def __init__(self, name: str, ask: Callable[[], T], tell: Callable[[T], Iterator[Metric]]) -> None:
        self._name = name
        self._timely = Timely(lambda: list(tell(ask())), KEEP)
        self.begin = self._timely.begin

    def families(self, up: GaugeMetricFamily, seconds: float, asked: Future[list[Metric]]) -> list[Metric]:
        try:
            found = self._timely.answer(seconds, asked)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one server, the figures of the others are told
            # The type only: the message of an unforeseen error may quote an address with its password.
            _log.warning("no figures", server=self._name, cause=type(error).__name__)
            found = []
        up.add_metric([self._name], 1 if found else 0)
        return found


class _Once(Collector):
    """Families that were made already."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def _of_postgres(found: vitals.Vitals) -> Iterator[Metric]:
    of_all = {str(state): found.photos.get(state, 0) for state in PhotoState}
    yield _by("photos", "Photos by state.", "state", of_all)
    yield _gauge("photo_waiting_seconds", "Since the oldest photo that waits was registered.", found.photo_waiting)
    yield _gauge(
        "photo_overdue_seconds", "Since when it is the turn of the longest waiting photo.", found.photo_overdue
    )
    deliveries = {state: found.deliveries.get(state, 0) for state in _DELIVERIES}
    yield _by("webhook_deliveries", "Webhook deliveries by state.", "state", deliveries)
    yield _gauge("outbox_overdue_seconds", "Since when the longest waiting delivery is due.", found.delivery_overdue)
    yield _gauge("rejected_messages", "Queue messages that could not be read and are kept.", found.rejected_messages)
    yield _gauge("silent_cameras", "Cameras silent for longer than they should.", found.silent_cameras)
    yield _by("chore_age_seconds", "Since a chore last ran.", "chore", found.chores)
    for name, told in (
        ("found", "Photos no event announced and a scan found."),
        ("back", "Said to be gone, and there."),
    ):
        yield CounterMetricFamily(f"inventory_match_scan_{name}", told, found.scanned.get(name, 0))


def _of_queue(depth: int) -> Iterator[Metric]:
    yield _gauge("queue_messages", "Messages in the S3 queue, waiting or in hand; about.", depth)


def _of_redis(waiting: Mapping[str, int]) -> Iterator[Metric]:
    yield _by("kicks", "Kicks that wait in Redis.", "queue", waiting)


def _gauge(name: str, told: str, value: float) -> Metric:
    return GaugeMetricFamily(f"inventory_match_{name}", told, value)


def _by(name: str, told: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"inventory_match_{name}", told, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family
