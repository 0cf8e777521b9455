"""Looks at Postgres: its version and pgvector's, the schema, the roles, the encoder in use, photos that are stuck."""

from __future__ import annotations

from datetime import timedelta

from inventory_match.bootstrap import App, migrations
from inventory_match.checkup.chains import Found, Verdict
from inventory_match.db import catalog, health, migrate
from inventory_match.domain.errors import ConfigurationError

OLDEST_POSTGRES = 15
"""`unique nulls not distinct` came with it."""
NEEDED_PGVECTOR, SOUND_PGVECTOR = (0, 8, 0), (0, 8, 4)
"""0.8.0 brought iterative scans; before 0.8.4 an HNSW index could be corrupted by parallel builds and by vacuum."""
STUCK_AFTER = timedelta(minutes=15)


def postgres(app: App) -> Found:
    with app.engine.connect() as connection:
        major, version = health.server_version(connection)
    if major < OLDEST_POSTGRES:
        return Found(Verdict.FAIL, f"PostgreSQL {version}", f"upgrade to PostgreSQL {OLDEST_POSTGRES} or newer")
    return Found(Verdict.OK, f"PostgreSQL {version} on {app.engine.url.host or 'localhost'}/{app.engine.url.database}")


def pgvector(app: App) -> Found:
    with app.engine.connect() as connection:
        version = health.pgvector_version(connection)
    if version is None:
        return Found(Verdict.FAIL, "not installed in this database", "as a superuser: create extension vector")
    have = tuple(int(part) for part in version.split(".")[:3])
    update = "install a newer pgvector on the server, then: alter extension vector update"
    if have < NEEDED_PGVECTOR:
        return Found(Verdict.FAIL, f"{version} is too old, 0.8.0 is needed", update)
    if have < SOUND_PGVECTOR:
        return Found(Verdict.WARN, f"{version} has bugs that corrupt indexes, fixed in 0.8.4", update)
    return Found(Verdict.OK, version)


def migrated(app: App) -> Found:
    expected = migrate.head(migrations())
    with app.engine.connect() as connection:
        revision = migrate.current(connection)
    if revision != expected:
        return Found(
            Verdict.FAIL, f"at {revision or 'none'}, the code expects {expected}", "inventory-match db upgrade"
        )
    return Found(Verdict.OK, f"at {revision}")


def drift(app: App) -> Found:
    with app.engine.connect() as connection:
        differences = migrate.drift(connection)
    if differences:
        cure = "the schema was changed by hand: `inventory-match db check` lists what differs"
        return Found(Verdict.FAIL, f"{len(differences)} differences from the models", cure)
    return Found(Verdict.OK, "as the models say")


def roles(app: App) -> Found:
    with app.engine.connect() as connection:
        unable = health.unable_roles(connection)
    if unable:
        cure = "have a DBA run what `inventory-match db roles` prints"
        return Found(Verdict.FAIL, f"missing, or without its rights: {', '.join(unable)}", cure)
    return Found(Verdict.OK, "inventory_reader and inventory_writer have what they need")


def registered(app: App) -> Found:
    with app.unit_of_work() as session:
        if not catalog.has_active_encoder(session):
            cure = "`inventory-match db upgrade` makes the configured one the active one"
            return Found(Verdict.FAIL, "none is active", cure)
        row = catalog.active_encoder(session)
    try:
        app.encoder_files.record(row)
    except ConfigurationError as error:  # it says how to mend this; the cure of the step is for a server that is away
        return Found(Verdict.FAIL, str(error))
    return Found(Verdict.OK, f"{row.name}, sha256 {row.sha256[:12]}, is active")


def flowing(app: App) -> Found:
    with app.unit_of_work() as session:
        stuck = health.stuck_photos(session, STUCK_AFTER)
    if stuck:
        cure = "is a worker running, and beat? `inventory-match photos list --state registered` shows them"
        return Found(Verdict.WARN, f"{stuck} photos have waited longer than 15 min", cure)
    return Found(Verdict.OK, "no photo waits longer than 15 min")
