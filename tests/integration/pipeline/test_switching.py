"""A photo under way while encoders are switched: settled with the encoder that saw it, or seen again, never mixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from inventory_match import pipeline, ports
from inventory_match.db import catalog, models, photos
from inventory_match.db.catalog import Encoder, switching
from inventory_match.domain.photos import PhotoState

from .conftest import ColourEncoder, Shop, pack

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


class DarkEncoder(ColourEncoder):
    """Another encoder of other vectors: four dimensions, the colours the other way round."""

    sha256 = "da" * 32

    def embed(self, crops: Sequence[ports.Image]) -> ports.Embeddings:
        import numpy as np

        return np.pad(-super().embed(crops), ((0, 0), (1, 0)))


def add_dark(shop: Shop) -> Encoder:
    encoder = models.Encoder(
        name="dark", arch="mean", sha256=DarkEncoder.sha256, dim=4, metric="cosine", record={},
        thresholds={"accept": 0.9, "margin": 0.1}, state="ready",
    )  # fmt: skip
    shop.add(encoder)
    for sku in "ABCD":
        [vector] = DarkEncoder().embed([pack(sku)])
        reference = shop.one("select id from inventory_match.reference_photo where sku = :sku", sku=sku)
        shop.add(models.ReferenceEmbedding(encoder_id=encoder.id, reference_id=reference, sku=sku, embedding=vector))
    return encoder


def activate(shop: Shop, encoder: Encoder) -> None:
    with shop.app.unit_of_work() as session:
        switching.activate(session, encoder)


def seen(shop: Shop, minute: float) -> pipeline.Seen:
    """Claimed and seen by the colour encoder, not yet settled."""
    photo_id = shop.draw("A", "A", "B", "C", minute=minute)
    with shop.app.unit_of_work() as session:
        claimed = photos.claim(session, photo_id, timedelta(minutes=5), 3)
    assert claimed is not None
    return pipeline.see(claimed, replace(shop.eyes, store=shop.drawings))


MADE_BY = (
    "select distinct e.name, vector_dims(s.embedding)::int from inventory_match.sighting s"
    " join inventory_match.encoder e on e.id = s.encoder_id"
)


def test_a_photo_seen_before_the_switch_is_settled_with_the_encoder_that_saw_it(shop: Shop) -> None:
    under_way = seen(shop, minute=0)
    activate(shop, add_dark(shop))
    with shop.app.unit_of_work() as session:
        assert pipeline.settle(session, under_way, shop.rules, NOW) is PhotoState.DONE
    assert shop.rows(MADE_BY) == [("colours", 3)]
    assert shop.levels() == {"A": 2, "B": 1, "C": 1}


def test_a_switch_does_not_wait_for_a_photo_that_is_just_being_settled(shop: Shop) -> None:
    under_way, dark = seen(shop, minute=0), add_dark(shop)
    with shop.app.unit_of_work() as session:
        assert pipeline.settle(session, under_way, shop.rules, NOW) is PhotoState.DONE
        activate(shop, dark)  # it would time out, and raise
    assert shop.one("select name from inventory_match.encoder where state = 'active'") == "dark"
    assert shop.rows(MADE_BY) == [("colours", 3)]


def test_a_photo_whose_encoder_was_pruned_meanwhile_is_seen_again(shop: Shop) -> None:
    photo_id, dark = shop.draw("A", "A", "B", "C", minute=0), add_dark(shop)

    class Slow(ColourEncoder):
        """While it looks, another encoder is activated, and its own vectors are pruned."""

        def embed(self, crops: Sequence[ports.Image]) -> ports.Embeddings:
            activate(shop, dark)
            with shop.app.unit_of_work() as session:
                [gone] = switching.prune(session, 0, timedelta(0))
            switching.delete_vectors(shop.app.engine, gone)
            return super().embed(crops)

    assert shop.process(photo_id, store=shop.drawings, encoder=Slow()) is PhotoState.REGISTERED
    assert "EncoderPruned" in shop.one("select cause from inventory_match.photo")
    assert shop.rows(MADE_BY) == []
    assert shop.process(photo_id, store=shop.drawings, encoder=DarkEncoder()) is PhotoState.DONE
    assert shop.rows(MADE_BY) == [("dark", 4)]
    assert shop.levels() == {"A": 2, "B": 1, "C": 1}
    with shop.app.unit_of_work() as session:
        assert catalog.active_encoder(session).name == "dark"
