"""Events of one key, out of order: what a later upload or delete has overtaken waits no longer, and nothing else does."""

from __future__ import annotations

import pytest

from .conftest import Shop
from .test_intake import record, send


def states(shop: Shop) -> dict[str, str]:
    return {row[0]: row[1] for row in shop.rows("select etag, state from inventory_match.photo")}


@pytest.fixture
def key(shop: Shop) -> str:
    return f"{shop.prefix}/cam/20260302T080000.png"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_later_upload_overtakes_a_waiting_one_however_they_come(shop: Shop, key: str, order: tuple[int, int]) -> None:
    bodies = [
        record(shop, key, eTag="old", sequencer="0055AED6DCD90281E5"),
        record(shop, key, eTag="new", sequencer="0055AED6DCD90281E5F"),  # longer, so the shorter is padded with zeros
    ]
    for i in order:
        send(shop, bodies[i])
        shop.take()
    assert states(shop) == {"old": "superseded", "new": "registered"}


def test_a_delete_overtakes_and_the_same_bytes_put_again_come_back(shop: Shop, key: str) -> None:
    send(shop, record(shop, key, eTag="one", sequencer="0A"))
    shop.take()
    send(shop, record(shop, key, name="ObjectRemoved:Delete", sequencer="0B"))
    shop.take()
    assert states(shop) == {"one": "superseded"}
    send(shop, record(shop, key, eTag="one", sequencer="0C"))
    shop.take()
    assert states(shop) == {"one": "registered"}


def test_versions_and_events_without_a_sequencer_conclude_nothing(shop: Shop, key: str) -> None:
    send(shop, record(shop, key, eTag="v1", versionId="one", sequencer="0A"))
    send(shop, record(shop, key, eTag="v2", versionId="two", sequencer="0B"))
    send(shop, record(shop, key, eTag="plain"))
    shop.take()
    assert set(states(shop).values()) == {"registered"}
