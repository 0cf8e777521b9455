"""A worker that comes back from the dead after its photo was buried and redriven: the numbers of attempts come again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from inventory_match import chores, pipeline
from inventory_match.db import photos
from inventory_match.db.photos import Claimed
from inventory_match.domain.photos import PhotoState

from .conftest import Shop

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def claim(shop: Shop, photo_id: int) -> Claimed:
    with shop.app.unit_of_work() as session:
        claimed = photos.claim(session, photo_id, timedelta(minutes=5), 2)
        assert claimed is not None
        return claimed


def lease_ends(shop: Shop) -> None:
    shop.rows("update inventory_match.photo set next_attempt_at = now() - interval '1 second' returning id")


def test_a_worker_from_before_a_redrive_can_no_longer_write(shop: Shop) -> None:
    photo_id = shop.draw("A", "A", "A", "A", minute=0)
    zombie = claim(shop, photo_id)  # its process is stopped, and goes on at the end of this test
    lease_ends(shop)
    claim(shop, photo_id)
    lease_ends(shop)
    chores.sweep(shop.app.unit_of_work, shop.kicks, 2, timedelta(0), NOW)
    assert shop.rows("select state, attempts::int from inventory_match.photo") == [("dead", 2)]
    with shop.app.unit_of_work() as session:
        assert photos.redrive(session, [photo_id]) == [photo_id]
    now = claim(shop, photo_id)
    assert now.attempt == zombie.attempt, "the number alone would not tell them apart"

    with shop.app.unit_of_work() as session:
        assert not photos.hold(session, zombie)
        assert not photos.give_back(session, zombie, "ServiceUnavailable: late", timedelta(0))
        assert not photos.finish(session, zombie, PhotoState.REJECTED, "late")
    eyes = shop.eyes
    shop.drawings.photos[now.ref] = shop.drawings.photos[zombie.ref]
    seen = pipeline.see(now, pipeline.Eyes(shop.drawings, eyes.decode, eyes.detect, eyes.encoder, eyes.crop))
    with shop.app.unit_of_work() as session:
        assert pipeline.settle(session, seen, shop.rules, NOW) is PhotoState.DONE
    assert shop.levels() == {"A": 4}
