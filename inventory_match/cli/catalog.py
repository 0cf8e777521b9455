"""`inventory-match catalog`: import a file, search by a picture, list, retire."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from inventory_match.bootstrap import App
from inventory_match.cli.frame import console, problems, table, with_app


@click.group()
def catalog() -> None:
    """Products and their reference photos."""


@catalog.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="All rows or none.")
@with_app
def import_(app: App, file: Path, strict: bool) -> None:
    """Take in the products and reference photos of a CSV file. Doing it again changes nothing."""
    import_file(app, file, strict=strict)


def import_file(app: App, file: Path, *, strict: bool) -> None:
    """Imports with a progress bar and a closing table. Raises ClickException where nothing was taken in."""
    from inventory_match import catalog_file
    from inventory_match.enrol import import_catalog

    rows = catalog_file.read(file)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=problems, transient=True) as bar:
        task = bar.add_task("reference photos", total=len(rows.rows) * (2 if strict else 1))
        done = import_catalog(
            app.studio,
            app.unit_of_work,
            rows,
            strict=strict,
            index_above=app.settings.exact_search_below,
            index_method=app.settings.index_method,
            progress=lambda: bar.advance(task),
        )
    app.encoder_files.keep_active(app.unit_of_work)
    if done.bad:
        bad = [(error.line, error.key, error.problem, error.cure) for error in done.bad]
        table(f"{file}: bad rows", ("line", "column", "reason", "cure"), bad)
    if not done.written:
        raise click.ClickException(
            f"{file}: nothing was taken in: {len(done.bad)} bad rows, and --strict takes all or none"
        )
    table(
        f"{file}: taken in",
        ("products", "of them new", "references new", "references unchanged", "bad rows"),
        [(done.products, done.new_products, done.references, done.unchanged, len(done.bad))],
    )
    if done.bad:
        problems.print(f"warning: {len(done.bad)} rows were left out", style="yellow")


@catalog.command()
@click.argument("image", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("-k", "count", default=5, show_default=True, type=click.IntRange(1, 100), help="How many products.")
@click.option("--store", help="Only what this store sells.")
@with_app
def search(app: App, image: Path, count: int, store: str | None) -> None:
    """Show the products most like IMAGE, and what would be decided."""
    from inventory_match.db import catalog as rows
    from inventory_match.domain.matching import Evidence, decide

    looking, rules = app.active_encoder()
    vectors = looking.embed([app.reference_decoder(image.read_bytes()).image])
    with app.unit_of_work() as session:
        encoder = rows.encoder_that_saw(session, looking.sha256)
        (found,) = rows.nearest(session, encoder, vectors, count, store, app.settings.exact_search_below)
        known = {product.sku: product for product in rows.list_products(session, {one.sku for one in found})}
    table(
        str(image),
        ("sku", "name", "category", "similarity"),
        [(one.sku, known[one.sku].name, known[one.sku].category, f"{one.similarity:.4f}") for one in found],
    )
    decision = decide(Evidence(found), rules.thresholds)
    console.print(f"{decision.outcome}: {decision.rule}", markup=False)


@catalog.command("list")
@with_app
def list_(app: App) -> None:
    """Show every product."""
    from inventory_match.db import catalog as rows

    with app.unit_of_work() as session:
        products = rows.list_products(session)
    table(
        f"{len(products)} products",
        ("sku", "name", "category", "brand", "gtin", "references", "retired"),
        [
            (p.sku, p.name, p.category, p.brand, p.gtin, p.references, p.retired_at and f"{p.retired_at:%Y-%m-%d}")
            for p in products
        ],
    )


@catalog.command()
@click.argument("sku")
@with_app
def retire(app: App, sku: str) -> None:
    """Take SKU out of matching; its history stays, and importing it again brings it back."""
    from inventory_match.db import catalog as rows

    with app.unit_of_work() as session:
        now_retired = rows.retire(session, sku, datetime.now(UTC))
    console.print(f"{sku} is retired" if now_retired else f"{sku} was retired already", markup=False)
