"""What other systems are told. The names are the `type` of a Standard Webhooks body and never change meaning."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class EventType(StrEnum):
    STOCK_LOW = "stock.low"
    STOCK_OUT = "stock.out"
    STOCK_RECOVERED = "stock.recovered"
    STOCK_DIGEST = "stock.digest"
    REORDER_OPENED = "reorder.opened"
    REORDER_CLOSED = "reorder.closed"
    PHOTO_DEAD = "photo.dead"
    CAMERA_SILENT = "camera.silent"


UNDER_CEILING = frozenset({EventType.STOCK_LOW, EventType.STOCK_OUT, EventType.STOCK_RECOVERED})
"""Alerts that a store's hourly ceiling may hold back into a digest; orders and faults are never held."""


def with_digest(types: Iterable[EventType]) -> list[EventType]:
    """The types a receiver must get to miss nothing: who wants alerts also gets the digest that may carry them."""
    wanted = list(dict.fromkeys(types))
    if UNDER_CEILING.intersection(wanted) and EventType.STOCK_DIGEST not in wanted:
        wanted.append(EventType.STOCK_DIGEST)
    return wanted
