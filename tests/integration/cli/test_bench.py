"""The bench commands on tiny sizes: they run, and their figures agree with each other. Speeds are not judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Run


def report(path: Path) -> dict[str, Any]:
    written: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert written["host"]["processor"]
    assert int(written["host"]["cores"]) >= 1
    assert written["host"]["torch"][0].isdigit()
    return written


def test_embedding(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "embed.json"
    sizes = ("--crops", "3", "--batch", "2", "--threads", "1", "--rounds", "1")
    shown = run("bench", "embed", *sizes, "--json", str(out)).output
    assert "float32" in shown
    written = report(out)
    torch, onnx = written["figures"]
    assert (torch["runtime"], onnx["runtime"]) == ("torch", "onnx")
    assert (torch["ratio"], torch["dtype"], torch["threads"], torch["batch"]) == (1, "float32", 1, 2)
    assert torch["least_cosine"] == pytest.approx(1, abs=1e-5)
    assert onnx["least_cosine"] >= 0.9995
    for row in (torch, onnx):
        assert row["embed_per_second"] > 0
        assert row["decode_and_embed_per_second"] > 0
    assert onnx["ratio"] == pytest.approx(onnx["embed_per_second"] / torch["embed_per_second"], rel=0.01)


def test_searching(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "search.json"
    sizes = ("--references", "300", "--dim", "16", "--crops", "4", "--rounds", "1")
    shown = run("bench", "search", *sizes, "--json", str(out)).output
    assert "Searching 16 dimensions" in shown
    exact, *through_index = report(out)["figures"]
    assert [exact[key] for key in ("method", "references", "ratio", "recall_at_1", "recall_at_10")] == [
        "exact", 300, 1, 1, 1,
    ]  # fmt: skip
    assert {row["method"] for row in through_index} == {"hnsw", "ivfflat"}
    for row in through_index:
        assert row["crops_per_second"] > 0
        assert row["build_seconds"] > 0
        assert row["index_mb"] > 0
        assert 0 <= row["recall_at_1"] <= 1
        if row["method"] == "hnsw" or not row["used"]:
            assert row["recall_at_10"] >= 0.9, "so few are all looked at"
