"""The bucket's news on a bad day: told twice, out of order, an hour late, or never; between the real queue and ours."""

from __future__ import annotations

import heapq
import json
import threading
import time
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any, Self
from urllib.parse import unquote_plus

from inventory_match.domain.errors import ServiceUnavailable
from inventory_match.s3.queue import SqsQueue
from inventory_match.soak.plan import Shot, Telling

SHUFFLED_S = 3.0
"""The most by which an event is overtaken."""
HOUR = timedelta(hours=1)


class TwistedNews:
    """A context manager: carries what arrives in `source` to `target` as the plan tells it, until the end."""

    def __init__(self, source: SqsQueue, target: SqsQueue, shots: Iterable[Shot], seed: int) -> None:
        self._source, self._target = source, target
        self._telling: dict[str, Telling] = {shot.key: shot.telling for shot in shots}
        self._draw = Random(f"news {seed}")  # of its own: other draws do not shift these
        self._held: list[tuple[float, int, str]] = []
        self._late: list[str] = []
        self._number = count()
        self._calm, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._carry)
        self.told: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def calm(self) -> None:
        """Everything that was held back is told now, and what comes from now on is told at once."""
        self._calm.set()

    def _carry(self) -> None:
        while not self._stopping.is_set():
            try:
                messages = self._source.receive()
                for message in messages:
                    self._take(message.body)
                self._source.delete(messages)
                self._release()
            except ServiceUnavailable:  # the stand-in is slow under load; what was not deleted comes again
                time.sleep(0.2)

    def _take(self, body: str) -> None:
        told = json.loads(body)
        key = next((record["s3"]["object"]["key"] for record in told.get("Records", [])), "")
        telling = "once" if self._calm.is_set() else self._telling.get(unquote_plus(key), "once")
        self.told[telling] += 1
        if telling == "late":
            self._late.append(json.dumps(_older(told)))
        elif telling == "shuffled":
            due = time.monotonic() + self._draw.uniform(0.5, SHUFFLED_S)
            heapq.heappush(self._held, (due, next(self._number), body))
        elif telling != "never":
            for _ in range(2 if telling == "twice" else 1):
                self._target.send(body)

    def _release(self) -> None:
        calm = self._calm.is_set()
        while self._held and (calm or self._held[0][0] <= time.monotonic()):
            self._target.send(heapq.heappop(self._held)[2])
        while calm and self._late:
            self._target.send(self._late.pop())


def _older(told: dict[str, Any]) -> dict[str, Any]:
    """The same news with the time it would carry had it travelled for an hour."""
    for record in told["Records"]:
        at = datetime.fromisoformat(record["eventTime"]) - HOUR
        record["eventTime"] = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return told
