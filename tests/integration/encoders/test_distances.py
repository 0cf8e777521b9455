"""An encoder compared by distance goes the whole way: built, activated, asked, taught by people, explained.

Its similarities are 1 / (1 + distance). Random weights: the photos are the references' own pictures, or those of a new pack.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from inventory_match.bootstrap import App
from inventory_match.domain.photos import PhotoState
from inventory_match.rendering.designs import product
from inventory_match.rendering.studio import studio_view

from .conftest import PACKS, MakeEncoder, Typed, embed_all, photographed, rows

NEW = product(4117, 9)


def test_a_euclidean_encoder_matches_learns_from_people_and_explains(
    served: App, catalog_csv: Path, encoder: MakeEncoder, typed: Typed, tmp_path: Path
) -> None:
    made = embed_all(served, encoder(dim=16, metric="euclidean"))
    typed("encoders", "activate", made.name)
    app = App(served.settings.model_copy(update={"accept_similarity": 0.999, "match_margin": 0.0}))
    app.__dict__["engine"] = served.engine

    def seen(picture: Path, name: str) -> tuple[int, str | None, float]:
        """The sighting, what it was matched as, and how similar that is."""
        assert photographed(app, picture, name) is PhotoState.DONE
        [found] = rows(app, "select id, sku, similarity from inventory_match.sighting order by id desc limit 1")
        return int(found[0]), found[1], float(found[2])

    known = next(catalog_csv.parent.glob(f"**/{PACKS[1].sku}*"))
    _, sku, similarity = seen(known, "known")
    assert sku == PACKS[1].sku
    assert similarity == pytest.approx(1, abs=1e-3)
    new = tmp_path / "new.png"
    studio_view(NEW, np.random.default_rng(1), plain=False).save(new)
    first, sku, similarity = seen(new, "new")
    assert sku is None
    assert 0 < similarity < 0.99
    assert "unknown" in typed("review", "next")
    typed("review", "assign", str(first), NEW.sku, "--new", NEW.name)
    second, sku, similarity = seen(new, "again")
    assert sku == NEW.sku, "the answer made a reference"
    assert similarity == pytest.approx(1, abs=1e-3)

    typed("explain", str(first), "-o", tmp_path / "why.png")
    why = json.loads(typed("explain", str(second), "--json"))
    distances = rows(
        app,
        "select 1 / (1 + min(v.embedding <-> g.embedding)) from inventory_match.sighting g join"
        " inventory_match.reference_embedding v on v.encoder_id = g.encoder_id where g.id = :sighting",
        sighting=second,
    )
    assert why["references"][0]["similarity"] == pytest.approx(distances[0][0], abs=1e-3)
    assert (tmp_path / "why.png").stat().st_size > 1000
