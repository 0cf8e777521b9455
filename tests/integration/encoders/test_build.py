"""Embedding a catalog anew, beside the encoder that serves: complete, bounded, and going on where it was stopped."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from inventory_match import reembed
from inventory_match.bootstrap import App
from inventory_match.db import catalog
from inventory_match.db.catalog import builds, switching
from inventory_match.domain.errors import ConfigurationError, Conflict, ServiceUnavailable
from inventory_match.domain.photos import ObjectRef
from inventory_match.vision.weights import read_file, read_tensors, write

from .conftest import MakeEncoder, embed_all, go_back, rows, take_in

PROGRESS = (
    "select encoder, state, done::int, total::int, failed::int from inventory_match.encoder_builds order by 1 desc"
)


def test_a_build_makes_an_encoder_ready_beside_the_active_one(
    served: App, encoder: MakeEncoder, tmp_path: Path
) -> None:
    """And each finds a reference photo by its own vectors, of another dimension and metric."""
    take_in(served, tmp_path, 40)
    other = embed_all(served, encoder(dim=16, metric="euclidean"))
    assert rows(served, PROGRESS) == [
        ("tiny-8-cosine-0", "active", 40, 40, 0),
        ("tiny-16-euclidean-0", "ready", 40, 40, 0),
    ]
    picture = served.reference_decoder((tmp_path / "p007.png").read_bytes()).image
    for change in (None, lambda session: switching.activate(session, other), go_back):
        if change is not None:
            with served.unit_of_work() as session:
                change(session)
        looking, _ = served.active_encoder()
        with served.unit_of_work() as session:
            row = catalog.active_encoder(session, looking.sha256)
            [found] = catalog.nearest(session, row, looking.embed([picture]), 3, None, 100)
        assert (found[0].sku, len(found)) == ("p007", 3)
        assert found[0].similarity > 0.98


def test_what_was_embedded_when_a_server_went_away_is_not_embedded_again(
    served: App, encoder: MakeEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reembed, "STEP", 8)
    take_in(served, tmp_path, 20)
    fetched: list[str] = []

    class Flaky:
        """Satisfies `ports.PhotoStore`; the bucket is away once, in the second step."""

        def fetch(self, ref: ObjectRef) -> bytes:
            fetched.append(ref.key)
            if len(fetched) == 12:
                raise ServiceUnavailable("the bucket is away")
            return served.store.fetch(ref)

    workshop = replace(served.workshop, store=Flaky())
    begun = reembed.begin(workshop, served.unit_of_work, encoder(dim=16))
    assert reembed.step(workshop, served.unit_of_work, begun.id) == 0
    with pytest.raises(ServiceUnavailable):
        reembed.step(workshop, served.unit_of_work, begun.id)
    while reembed.step(workshop, served.unit_of_work, begun.id) is not None:
        pass
    assert rows(served, PROGRESS)[1] == ("tiny-16-cosine-0", "ready", 20, 20, 0)
    assert len(set(fetched[:8]) & set(fetched[8:])) == 0
    assert len(fetched) == 8 + 4 + 12, "of the step that failed, four were looked at twice"


def test_one_builder_at_a_time_and_never_faster_than_the_rate(
    served: App, encoder: MakeEncoder, tmp_path: Path
) -> None:
    take_in(served, tmp_path, 30)
    workshop = replace(served.workshop, rate=20)
    begun = reembed.begin(workshop, served.unit_of_work, encoder(dim=16))
    with builds.only_builder(served.engine, begun.id) as mine:
        assert mine
        assert reembed.step(workshop, served.unit_of_work, begun.id) is None, "somebody else is at it"
    assert rows(served, PROGRESS)[1][2] == 0

    started = time.monotonic()
    wait = reembed.step(workshop, served.unit_of_work, begun.id)
    assert wait is not None
    assert rows(served, PROGRESS)[1][2] == 20, "a second's worth"
    if time.monotonic() - started < 0.8:
        assert 0 < (reembed.step(workshop, served.unit_of_work, begun.id) or 0) <= 1, "not yet"
        assert rows(served, PROGRESS)[1][2] == 20
    time.sleep(wait)
    assert reembed.step(workshop, served.unit_of_work, begun.id) is not None
    assert time.monotonic() - started >= 1 - builds.EARLY
    [(rate, eta)] = rows(served, "select rate, eta from inventory_match.encoder_builds where encoder like 'tiny-16%'")
    assert rate > 0
    assert eta is None, "nothing is left to embed"


def test_a_reference_that_is_gone_is_told_and_an_import_puts_it_back(
    served: App, encoder: MakeEncoder, tmp_path: Path
) -> None:
    take_in(served, tmp_path, 5)
    [(bucket, key)] = rows(served, "select bucket, key from inventory_match.reference_photo where sku = 'p003'")
    served.store.delete(ObjectRef(bucket, key, None, ""))
    other = embed_all(served, encoder(dim=16))
    assert rows(served, PROGRESS)[1] == ("tiny-16-cosine-0", "building", 4, 5, 1)
    [(cause,)] = rows(served, "select last_failure from inventory_match.encoder_builds where failed > 0")
    assert "p003" in cause
    assert key in cause
    with served.unit_of_work() as session, pytest.raises(Conflict, match=r"1 of 5 .* 1 of them failed .p003: s3://"):
        switching.activate(session, other)
    with served.unit_of_work() as session:
        switching.activate(session, other, without_failed=True)
        go_back(session)

    take_in(served, tmp_path, 5)
    assert served.store.fetch(ObjectRef(bucket, key, None, ""))
    while reembed.step(served.workshop, served.unit_of_work, other.id) is not None:
        pass
    assert rows(served, PROGRESS)[1][2:] == (5, 5, 0)


class Refusing:
    """Satisfies `ports.PhotoStore`: a host without rights."""

    def fetch(self, ref: ObjectRef) -> bytes:
        raise ConfigurationError(f"s3://{ref.bucket}/{ref.key}: AccessDenied (check the credentials)")


def test_a_host_that_s3_refuses_holds_nothing_against_the_references(
    served: App, encoder: MakeEncoder, tmp_path: Path
) -> None:
    take_in(served, tmp_path, 5)
    begun = reembed.begin(served.workshop, served.unit_of_work, encoder(dim=16))
    with pytest.raises(ConfigurationError, match="AccessDenied"):
        reembed.step(replace(served.workshop, store=Refusing()), served.unit_of_work, begun.id)
    assert rows(served, PROGRESS)[1][2:] == (0, 5, 0)
    while reembed.step(served.workshop, served.unit_of_work, begun.id) is not None:
        pass
    assert rows(served, PROGRESS)[1][2:] == (5, 5, 0), "with the next host it goes on"


def test_an_encoder_that_has_embedded_nothing_is_never_switched_to(
    served: App, encoder: MakeEncoder, tmp_path: Path
) -> None:
    take_in(served, tmp_path, 2)
    for bucket, key in rows(served, "select bucket, key from inventory_match.reference_photo"):
        served.store.delete(ObjectRef(bucket, key, None, ""))
    other = embed_all(served, encoder(dim=16))
    for how in ({"without_failed": True}, {"incomplete": True}):
        with served.unit_of_work() as session, pytest.raises(Conflict, match="2 of 2 references have no vector"):
            switching.activate(session, other, **how)


def test_references_that_come_during_a_build_get_vectors_by_both(
    served: App, encoder: MakeEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reembed, "STEP", 8)
    take_in(served, tmp_path, 10)
    begun = reembed.begin(served.workshop, served.unit_of_work, encoder(dim=16))
    assert reembed.step(served.workshop, served.unit_of_work, begun.id) == 0
    take_in(served, tmp_path, 3, first=10)
    other = embed_all(served, encoder(dim=16))
    assert [row[2:] for row in rows(served, PROGRESS)] == [(13, 13, 0), (13, 13, 0)]

    take_in(served, tmp_path, 2, first=13)
    with served.unit_of_work() as session, pytest.raises(Conflict, match="2 of 15 references have no vector"):
        switching.activate(session, other)
    with served.unit_of_work() as session:
        switching.activate(session, other, incomplete=True)
        go_back(session)
    with served.unit_of_work() as session:
        rested = "update inventory_match.encoder_build set {} = now() - interval '1 minute' returning 1"
        assert rows(served, rested.format("next_at"))
        assert builds.idle_builds(session) == [], "a step that took long has just ended"
        assert rows(served, rested.format("last_at"))
        assert builds.idle_builds(session) == [other.id]
    while reembed.step(served.workshop, served.unit_of_work, other.id) is not None:
        pass
    with served.unit_of_work() as session:
        assert builds.idle_builds(session) == []
        switching.activate(session, other)


@pytest.mark.parametrize("found", [True, False])
def test_what_is_withdrawn_or_pruned_while_it_is_embedded_leaves_nothing(
    served: App, encoder: MakeEncoder, tmp_path: Path, found: bool
) -> None:
    take_in(served, tmp_path, 4)
    other = embed_all(served, encoder(dim=16))
    with served.unit_of_work() as session:
        switching.activate(session, other)
        go_back(session)
    take_in(served, tmp_path, 2, first=4)
    withdraw = "delete from inventory_match.reference_photo where key = :key returning 1"

    class Meanwhile:
        """Satisfies `ports.PhotoStore`; whatever it is asked for is withdrawn from the catalog before it answers."""

        def fetch(self, ref: ObjectRef) -> bytes:
            data = served.store.fetch(ref)
            assert rows(served, withdraw, key=ref.key)
            return data if found else b"no picture"

    take_in(served, tmp_path, 1, first=6)
    workshop = replace(served.workshop, store=Meanwhile())
    assert reembed.step(workshop, served.unit_of_work, other.id) is not None
    assert rows(served, PROGRESS)[1] == ("tiny-16-cosine-0", "retired", 4, 4, 0)

    class Pruning:
        """Satisfies `ports.PhotoStore`; the encoder is pruned before it answers."""

        def fetch(self, ref: ObjectRef) -> bytes:
            with served.unit_of_work() as session:
                pruned = switching.prune(session, 0, timedelta(0))
            for gone in pruned:
                switching.delete_vectors(served.engine, gone)
            return served.store.fetch(ref)

    take_in(served, tmp_path, 1, first=7)
    reembed.step(replace(served.workshop, store=Pruning()), served.unit_of_work, other.id)
    assert rows(served, PROGRESS)[1] == ("tiny-16-cosine-0", "pruned", 0, 5, 0)


def test_a_file_that_is_gone_or_altered_in_the_bucket_is_refused_and_never_used(
    served: App, encoder: MakeEncoder, tmp_path: Path
) -> None:
    take_in(served, tmp_path, 2)
    other = embed_all(served, encoder(dim=16))
    elsewhere = served.settings.model_copy(update={"encoder_file": None, "encoder_cache": tmp_path / "elsewhere"})
    cached = tmp_path / "elsewhere" / f"{other.sha256}.safetensors"
    assert other.bucket is not None
    assert other.key is not None
    ref = ObjectRef(other.bucket, other.key, None, "")
    data = served.store.fetch(ref)

    served.store.delete(ref)
    with pytest.raises(ConfigurationError, match=r"cannot be had: .*encoders build FILE"):
        App(elsewhere).encoder_files.encoder(other)
    served.store.put(ref.bucket, ref.key, data[:-2] + b"??")
    with pytest.raises(ConfigurationError, match=r"is not the file of the encoder tiny-16-cosine-0: .* sha256"):
        App(elsewhere).encoder_files.encoder(other)
    assert not cached.exists()

    served.store.put(ref.bucket, ref.key, data)
    assert App(elsewhere).encoder_files.encoder(other).sha256 == other.sha256
    cached.write_bytes(data[:100])
    assert App(elsewhere).encoder_files.record(other).dim == 16, "a damaged copy is fetched anew"


def test_a_configured_file_that_was_replaced_is_neither_kept_nor_missed(
    served: App, encoder: MakeEncoder, tmp_path: Path
) -> None:
    """Somebody trains into the file the settings name, while processes run that have read its record."""
    take_in(served, tmp_path, 1)
    path = tmp_path / "mine.safetensors"
    path.write_bytes(read_file(encoder()))
    running = App(served.settings.model_copy(update={"encoder_file": path}))
    record = running.encoder_record
    path.write_bytes(read_file(encoder(dim=16)))
    with pytest.raises(ConfigurationError, match="changed while in use"):
        running.encoder_files.keep(record)
    with served.unit_of_work() as session:
        row = catalog.active_encoder(session)
    picture = served.reference_decoder((tmp_path / "p000.png").read_bytes()).image
    assert running.encoder_files.encoder(row).embed([picture]).shape == (1, 8)


def test_a_file_that_does_not_work_is_not_taken(served: App, encoder: MakeEncoder, tmp_path: Path) -> None:
    good = encoder(dim=16)
    lying = write(tmp_path / "lying.safetensors", replace(good, dim=12), read_tensors(good))
    with pytest.raises(ConfigurationError, match="its weights are not those of"):
        reembed.begin(served.workshop, served.unit_of_work, lying)
    assert rows(served, PROGRESS) == []
