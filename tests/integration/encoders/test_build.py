"""Embedding a catalog anew, beside the encoder that serves: complete, bounded, and going on where it was stopped."""

from __future__ import annotations

from pathlib import Path

from inventory_match.bootstrap import App
from inventory_match.db import catalog
from inventory_match.db.catalog import switching

from .conftest import MakeEncoder, embed_all, rows, take_in

PROGRESS = "select encoder, state, done::int, total::int, failed::int from inventory_match.encoder_builds order by 1"


def test_a_build_makes_an_encoder_ready_beside_the_active_one(
    served: App, encoder: MakeEncoder, tmp_path: Path
) -> None:
    take_in(served, tmp_path, 40)
    other = embed_all(served, encoder(dim=16, metric="euclidean"))
    assert rows(served, PROGRESS) == [
        ("tiny-16-euclidean-0", "ready", 40, 40, 0),
        ("tiny-8-cosine-0", "active", 40, 40, 0),
    ]
    picture = served.reference_decoder((tmp_path / "p007.png").read_bytes()).image
    for change in (None, lambda session: switching.activate(session, other), switching.rollback):
        if change is not None:
            with served.unit_of_work() as session:
                change(session)
        looking, _ = served.active_encoder()
        with served.unit_of_work() as session:
            row = catalog.active_encoder(session, looking.sha256)
            [found] = catalog.nearest(session, row, looking.embed([picture]), 3, None, 100)
        assert (found[0].sku, len(found)) == ("p007", 3)
        assert found[0].similarity > 0.98
