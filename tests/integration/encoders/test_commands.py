"""The `encoders` commands as a person types them, on a machine where no worker runs."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from inventory_match.bootstrap import App
from inventory_match.db.catalog import switching
from inventory_match.domain.photos import ObjectRef
from inventory_match.kicks import CeleryKicker

from .conftest import MakeEncoder, Typed, embed_all, go_back, take_in


@pytest.fixture
def typed(typed: Typed) -> Typed:
    """`typed("activate", NAME, code=1)`: what an `encoders` command said."""
    return partial(typed, "encoders", photo_lease="0.001")


def test_build_here_activate_rollback_prune(served: App, encoder: MakeEncoder, typed: Typed, tmp_path: Path) -> None:
    take_in(served, tmp_path, 6)
    old, new = encoder(), encoder(dim=16)
    assert "several" not in typed("show")
    assert "there is no encoder 'other'" in typed("activate", "other", code=1)
    assert "no encoder is kept to return to" in typed("rollback", code=1)
    assert "0 of 6 references" in typed("build", str(new.path)), "the workers are told, and none is there"
    assert "6 of 6 references have no vector by it" in typed("activate", new.name, code=1)
    assert f"encoders activate {new.name}" in typed("build", new.name, "--here")
    listed = typed("list")
    assert "ready" in listed
    assert "active" in listed
    assert f"{new.name} ({new.sha256[:12]}) is active, {old.name} is kept" in typed("activate", new.sha256[:12])
    assert f"{old.name} ({old.sha256[:12]}) is active, {new.name} is kept" in typed("rollback")
    assert "nothing to prune" in typed("prune")
    assert f"{new.name}: 6 vectors deleted" in typed("prune", "--keep", "0")
    assert "were pruned" in typed("activate", new.name, code=1)
    assert "s3://" in typed("show", new.name)


def test_a_switch_to_a_file_that_is_gone_is_refused_and_a_setting_that_overrides_is_told(
    served: App, encoder: MakeEncoder, typed: Typed, tmp_path: Path
) -> None:
    """Photos would wait until somebody finds the file again."""
    take_in(served, tmp_path, 1)
    new = embed_all(served, encoder(dim=16))
    assert new.bucket is not None
    assert new.key is not None
    ref = ObjectRef(new.bucket, new.key, None, "")
    data = served.store.fetch(ref)
    served.store.delete(ref)
    (tmp_path / "cache" / f"{new.sha256}.safetensors").unlink()
    assert "cannot be had" in typed("activate", new.name, code=1)
    served.store.put(ref.bucket, ref.key, data)
    told = typed("activate", new.name, accept_similarity="0.9")
    assert f"INVENTORY_MATCH_ACCEPT_SIMILARITY overrides what was calibrated with {new.name}" in told
    (tmp_path / "cache" / f"{new.sha256}.safetensors").unlink()
    assert f"{encoder().name} ({encoder().sha256[:12]}) is active" in typed("rollback")


def test_nobody_waits_for_a_build_that_was_pruned(
    served: App, encoder: MakeEncoder, typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_in(served, tmp_path, 1)
    new = embed_all(served, encoder(dim=16))
    with served.unit_of_work() as session:
        switching.activate(session, new)
        go_back(session)
    take_in(served, tmp_path, 1, first=1)

    def meanwhile(_: CeleryKicker, __: int) -> None:
        with served.unit_of_work() as session:
            [gone] = switching.prune(session, 0, timedelta(0))
        switching.delete_vectors(served.engine, gone)

    monkeypatch.setattr(CeleryKicker, "kick_embedding", meanwhile)
    assert "0 of 2 references" in typed("build", new.name, "--wait")
