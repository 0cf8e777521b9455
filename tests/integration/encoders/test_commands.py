"""The `encoders` commands as a person types them, on a machine where no worker runs."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from inventory_match.bootstrap import App
from inventory_match.cli import main
from inventory_match.embedded.machine import Machine

from .conftest import MakeEncoder, take_in


def test_build_here_activate_rollback_prune(
    served: App, encoder: MakeEncoder, machine: Machine, tmp_path: Path
) -> None:
    take_in(served, tmp_path, 6)
    old, new = encoder(), encoder(dim=16)
    environment = machine.environment() | {
        "INVENTORY_MATCH_DATABASE_URL": served.settings.database_url.get_secret_value(),
        "INVENTORY_MATCH_ENCODER_FILE": str(old.path),
        "INVENTORY_MATCH_ENCODER_CACHE": str(tmp_path / "cache"),
        "INVENTORY_MATCH_ENCODER_RUNTIME": "torch",
        "INVENTORY_MATCH_PHOTO_LEASE": "0.001",
        "COLUMNS": "300",
    }

    def typed(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(main, ["encoders", *words], env=environment)
        assert result.exit_code == code, result.output
        return result.output

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
