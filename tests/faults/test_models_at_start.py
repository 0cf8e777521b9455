"""A host without the encoder its photos need: the worker does not start, and says why. A server that is away is waited for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import make_url, text

from inventory_match import models_at_start
from inventory_match.bootstrap import App, migrations
from inventory_match.cli.up import prepare
from inventory_match.db import catalog, migrate
from inventory_match.domain.errors import ConfigurationError
from inventory_match.domain.photos import ObjectRef
from inventory_match.embedded.loopback import choose_port
from inventory_match.embedded.machine import Machine
from inventory_match.settings import PREFIX
from inventory_match.vision.weights import read_file

from ..end_to_end import telling
from ..integration.encoders.conftest import MakeEncoder, encoder, served, take_in
from .conftest import running

__all__ = ["encoder", "served"]
WORKER = ("-m", "inventory_match", "worker", "--concurrency", "1")


def host(machine: Machine, app: App, **settings: object) -> dict[str, str]:
    """The environment of a host whose settings name no encoder file, unless they are told to."""
    more = {"database_url": app.settings.database_url.get_secret_value(), "encoder_cache": app.settings.encoder_cache}
    return machine.environment() | {f"{PREFIX}{name.upper()}": str(value) for name, value in (more | settings).items()}


def refused(environment: dict[str, str]) -> str:
    """What a real worker says before it ends; within seconds, with exit code 1."""
    with running(*WORKER, environment=environment) as worker:
        said, _ = worker.communicate(timeout=60)
    assert worker.returncode == 1, said
    return said


def test_a_worker_whose_encoder_file_is_missing_or_another_refuses_to_start(
    machine: Machine, served: App, encoder: MakeEncoder, tmp_path: Path
) -> None:
    """The one its settings name, and the one that the database asks for."""
    take_in(served, tmp_path, 1)
    said = refused(host(machine, served, encoder_file=tmp_path / "nowhere.safetensors"))
    assert "Traceback" not in said
    assert f"{tmp_path}/nowhere.safetensors: the encoder file cannot be read (No such file or directory)" in said
    assert "or unset INVENTORY_MATCH_ENCODER_FILE" in said

    altered = App(served.settings.model_copy(update={"encoder_sha256": "0" * 64}))
    with pytest.raises(ConfigurationError, match=f"sha256 is {encoder().sha256}, expected {'0' * 64}"):
        models_at_start.wait_for(altered, models_at_start.check)

    with served.unit_of_work() as session:
        row = catalog.active_encoder(session)
    assert row.bucket is not None
    assert row.key is not None
    served.store.delete(ObjectRef(row.bucket, row.key, None, ""))
    said = refused(host(machine, served, encoder_cache=tmp_path / "empty"))
    assert "the file of the encoder tiny-8-cosine-0 cannot be had" in said
    assert "`inventory-match encoders build FILE` puts it there again" in said


def test_up_refuses_as_well(served: App, tmp_path: Path) -> None:
    take_in(served, tmp_path, 1)
    elsewhere = {"encoder_file": None, "encoder_cache": tmp_path / "elsewhere"}
    with served.unit_of_work() as session:
        row = catalog.active_encoder(session)
    assert row.bucket is not None
    assert row.key is not None
    served.store.delete(ObjectRef(row.bucket, row.key, None, ""))
    other = App(served.settings.model_copy(update=elsewhere))
    with pytest.raises(ConfigurationError, match="cannot be had"):
        prepare(other)
    other.engine.dispose()


@pytest.mark.timeout(60)
def test_a_server_that_is_away_is_no_reason_to_refuse(machine: Machine, served: App, tmp_path: Path) -> None:
    """Postgres, where nothing listens yet: the worker says that it waits, and goes on once something does."""
    take_in(served, tmp_path, 1)
    here = make_url(served.settings.database_url.get_secret_value())
    away = here.set(port=1).render_as_string(hide_password=False)
    port = choose_port(None, name="metrics")
    with running(*WORKER, environment=host(machine, served, database_url=away, metrics_port=port)) as worker:
        assert worker.stdout is not None
        line = next(line for line in worker.stdout if "waits to begin" in line)
        assert "Connection refused" in line
        assert worker.poll() is None
        assert telling.get(port, "/healthz")[0] == 200, "whoever restarts processes lets it wait"
        assert telling.get(port, "/readyz")[0] == 503
    models_at_start.wait_for(served, models_at_start.check)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("queues", ["photos,chores,embedding", "chores"])
def test_new_code_waits_for_its_schema_and_old_code_works_with_a_newer_one(
    machine: Machine, served: App, tmp_path: Path, queues: str
) -> None:
    """A chore of the new code needs a table that the old schema does not have: the sweep would fail for as long."""
    take_in(served, tmp_path, 1)
    migrate.downgrade(served.engine, migrations(), "-1")
    port = choose_port(None, name="metrics")
    with running(*WORKER, "--queues", queues, environment=host(machine, served, metrics_port=port)) as worker:
        assert worker.stdout is not None
        line = next(line for line in worker.stdout if "waits to begin" in line)
        assert "older than the code; run `inventory-match db upgrade`" in line
        assert worker.poll() is None
        migrate.upgrade(served.engine, migrations())
        assert next(line for line in worker.stdout if "ready." in line)
        assert telling.get(port, "/healthz")[0] == 200, "the worker's own, now that it has begun"
    with served.unit_of_work() as session:
        session.execute(text("update inventory_match.alembic_version set version_num = '9999'"))
    assert models_at_start.wait_for(served, models_at_start.check).dim == 8


def test_an_encoder_file_replaced_before_it_was_read_poisons_no_process(
    served: App, encoder: MakeEncoder, tmp_path: Path
) -> None:
    """Its host knows the file by its settings alone; somebody trains into it, and puts it back."""
    take_in(served, tmp_path, 1)
    path, good = tmp_path / "mine.safetensors", read_file(encoder())
    path.write_bytes(good)
    app = App(served.settings.model_copy(update={"encoder_file": path, "encoder_cache": tmp_path / "empty"}))
    with app.unit_of_work() as session:
        row = catalog.active_encoder(session)
        row.bucket = row.key = None
    picture = np.zeros((8, 8, 3), np.uint8)

    early = app.encoder_files.encoder(row)
    path.write_bytes(read_file(encoder(dim=16)))
    with pytest.raises(ConfigurationError, match=rf"changed while in use; put the one with sha256 {row.sha256[:12]}"):
        early.embed([picture])
    with pytest.raises(ConfigurationError, match="not in the bucket; set INVENTORY_MATCH_ENCODER_FILE to it"):
        app.encoder_files.encoder(row)
    path.write_bytes(good)
    assert app.encoder_files.encoder(row).embed([picture]).shape == (1, 8)
    path.unlink()
    assert app.encoder_files.encoder(row).embed([picture]).shape == (1, 8), "it was read, and is kept"
    app.engine.dispose()


def test_one_replaced_for_good_gives_way_to_the_one_in_the_bucket(
    served: App, encoder: MakeEncoder, tmp_path: Path
) -> None:
    take_in(served, tmp_path, 1)
    path = tmp_path / "mine.safetensors"
    path.write_bytes(read_file(encoder()))
    app = App(served.settings.model_copy(update={"encoder_file": path, "encoder_cache": tmp_path / "empty"}))
    with app.unit_of_work() as session:
        row = catalog.active_encoder(session)
    early = app.encoder_files.encoder(row)
    path.write_bytes(read_file(encoder(dim=16)))
    picture = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ConfigurationError, match="changed while in use"):
        early.embed([picture])
    assert app.encoder_files.encoder(row).embed([picture]).shape == (1, 8)
    app.engine.dispose()
