"""A Euclidean encoder from its file to the answer: not normalised, indexed by halfvec_l2_ops, ranked by distance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sqlalchemy import text

from inventory_match.bootstrap import App
from inventory_match.db import catalog
from inventory_match.domain.matching import Thresholds
from inventory_match.vision.assembly import assemble
from inventory_match.vision.encoder import TorchEncoder
from inventory_match.vision.weights import EncoderRecord, read_tensors, write

LENGTHS = {"short": 0.2, "own": 1.0, "long": 3.0}
"""References along nearly one direction: the cosine goes by the small turn, the distance by the length."""
TURNS = {"short": 0.0, "own": 0.1, "long": 0.05}


def encoder_of(metric: str, folder: Path) -> EncoderRecord:
    """The same random weights, once to be compared by angle and once by distance."""
    made = assemble(folder / "made.safetensors", "shufflenet_v2_x0_5", weights=None, dim=4)
    tensors = read_tensors(made)
    tensors["head.bias"] = torch.tensor([2.0, 0.0, 0.0, 0.0])  # an embedding of some length
    record = EncoderRecord(
        metric, made.arch, made.dim, "euclidean" if metric == "euclidean" else "cosine", made.preprocessing,
        made.head, made.licence, made.origin, made.thresholds,
    )  # fmt: skip
    return write(folder / f"{metric}.safetensors", record, tensors)


@pytest.mark.parametrize(
    ("metric", "ranks", "operators"),
    [
        ("cosine", ["short", "long", "own"], "halfvec_cosine_ops"),
        ("euclidean", ["own", "short", "long"], "halfvec_l2_ops"),
    ],
)
def test_the_metric_of_the_file_ranks(app: App, tmp_path: Path, metric: str, ranks: list[str], operators: str) -> None:
    record = encoder_of(metric, tmp_path)
    crop = np.full((64, 64, 3), 128, np.uint8)
    (query,) = TorchEncoder(record).embed([crop])
    length = float(np.linalg.norm(query))
    assert (length == pytest.approx(1, abs=1e-4)) is (metric == "cosine")

    side = np.array([-query[1], query[0], 0, 0], np.float32)
    references = {sku: LENGTHS[sku] * (query + TURNS[sku] * side) for sku in LENGTHS}
    with app.unit_of_work() as session:
        encoder = catalog.register_encoder(session, record, Thresholds(0.1, 0.0))
        catalog.upsert_products(session, [catalog.ProductFacts(sku) for sku in references])
        kept = [catalog.Reference(sku, f"hash of {sku}", "bucket", f"{sku}.png", sku) for sku in references]
        ids = catalog.add_references(session, kept)
        catalog.copy_embeddings(session, encoder.id, zip(ids, references, references.values(), strict=True))
    assert catalog.ensure_index(app.engine, encoder, 0)
    with app.unit_of_work() as session:
        defined = session.scalar(text("select indexdef from pg_indexes where indexname like 'hnsw%'"))
        for exact_below in (100, 0):
            (found,) = catalog.nearest(session, encoder, query[None], 3, None, exact_below)
            assert [one.sku for one in found] == ranks
            if metric == "euclidean":
                away = [float(np.linalg.norm(references[sku] - query)) for sku in ranks]
                assert [one.similarity for one in found] == pytest.approx([1 / (1 + d) for d in away], abs=2e-3)
    assert operators in str(defined)
