"""`inventory-match db`: brings the schema up to date, says whether it is, prints the roles' SQL, and takes it all away."""

from __future__ import annotations

import click

from inventory_match.bootstrap import App, migrations
from inventory_match.cli.frame import console, with_app
from inventory_match.db import catalog, migrate
from inventory_match.db.models import SCHEMA


@click.group()
def db() -> None:
    """The schema `inventory_match` in your Postgres."""


@db.command()
@with_app
def upgrade(app: App) -> None:
    """Apply the migrations that are missing. Safe beside running workers and beside another upgrade.

    A database that has no encoder yet gets the configured one, so that workers may start before the first catalog import.
    """
    before = _revision(app)
    migrate.upgrade(app.engine, migrations())
    with app.unit_of_work() as session:
        if not catalog.has_active_encoder(session):
            catalog.register_encoder(session, app.encoder_record, app.encoder_record.thresholds)
    after = _revision(app)
    console.print(f"at {after}, nothing to do" if before == after else f"from {before or 'nothing'} to {after}")


@db.command()
@with_app
def check(app: App) -> None:
    """Compare the database with what the code expects; exit 1 where they differ."""
    expected = migrate.head(migrations())
    with app.engine.connect() as connection:
        revision = migrate.current(connection)
        differences = migrate.drift(connection) if revision == expected else []
    console.print(f"revision {revision or 'none'}, the code expects {expected}")
    for difference in differences:
        console.print(f"differs: {difference}", markup=False)
    if revision != expected:
        raise click.ClickException("run `inventory-match db upgrade`")
    if differences:
        raise click.ClickException("the schema was changed by hand: undo that, or reinstall the schema")


@db.command()
def roles() -> None:
    """Print the SQL of the roles inventory_reader and inventory_writer, for a DBA to run."""
    click.echo(migrate.roles_sql(migrations()), nl=False)


@db.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_app
def uninstall(app: App, yes: bool) -> None:
    """Drop the schema `inventory_match` with all it holds, and nothing else. Photos in the bucket stay."""
    name = f"{app.engine.url.host or 'localhost'}/{app.engine.url.database}"
    if not yes:
        click.confirm(f"Drop the schema {SCHEMA} of {name}, with its ledger and catalog?", abort=True)
    migrate.uninstall(app.engine)
    console.print(f"dropped the schema {SCHEMA} of {name}; the extension `vector` and the roles were left alone")


def _revision(app: App) -> str | None:
    with app.engine.connect() as connection:
        return migrate.current(connection)
