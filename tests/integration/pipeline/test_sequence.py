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


EXPIRED = (
    "update inventory_match.photo set expired_at = now(), state = 'superseded', registered_at = now() - interval '90 days'"
    " returning id"
)


def test_a_picture_put_again_after_it_was_let_go_is_kept_as_any_new_one(shop: Shop, key: str) -> None:
    send(shop, record(shop, key, eTag="one", sequencer="0A"))
    shop.take()
    shop.rows(EXPIRED)
    send(shop, record(shop, key, eTag="one", sequencer="0A"))
    shop.take()
    assert states(shop) == {"one": "superseded"}, "the same event twice"
    assert shop.one("select expired_at is not null from inventory_match.photo")

    send(shop, record(shop, key, eTag="one", sequencer="0B"))
    shop.take()
    assert states(shop) == {"one": "registered"}
    assert shop.rows("select expired_at, registered_at > now() - interval '1 day' from inventory_match.photo") == [
        (None, True)
    ]


@pytest.mark.parametrize(("first", "again"), [({}, {"sequencer": "0B"}), ({"sequencer": "0A"}, {}), ({}, {})])
def test_a_picture_that_may_be_there_again_is_due_again(
    shop: Shop, key: str, first: dict[str, str], again: dict[str, str]
) -> None:
    """Without a sequencer it may be the old event once more: what is not there is let go of once more, and noted."""
    send(shop, record(shop, key, eTag="one", **first))
    shop.take()
    shop.rows(EXPIRED)
    send(shop, record(shop, key, eTag="one", **again))
    shop.take()
    assert shop.rows("select state, expired_at from inventory_match.photo") == [("superseded", None)]
