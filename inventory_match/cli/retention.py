"""`inventory-match retention`: what is old enough to go, by the settings `keep_*_days` and each store's own."""

from __future__ import annotations

import click

from inventory_match import retention as policy
from inventory_match.bootstrap import App
from inventory_match.cli.frame import say, table, with_app


@click.group()
def retention() -> None:
    """Let go of what is old; workers do it every hour."""


@retention.command()
@click.option("--dry-run", is_flag=True, help="Only count what would go.")
@click.option("--seconds", type=click.IntRange(min=1), default=3600, show_default=True, help="Stop after these.")
@with_app
def run(app: App, dry_run: bool, seconds: int) -> None:
    """Delete pictures, vectors, rows and messages past their time, in batches. The ledger and what waits are kept."""
    chosen = policy.Policy.of(app.settings)
    counts = (
        policy.due(app.unit_of_work, chosen) if dry_run else policy.run(app.unit_of_work, app.store, chosen, seconds)
    )
    table("What would go now" if dry_run else "What went", ("what", "count"), counts.items())
    kept = [
        f"INVENTORY_MATCH_{name.upper()}"
        for name in ("keep_photos_days", "keep_sightings_days", "keep_photo_rows_days", "keep_messages_days")
        if getattr(app.settings, name) is None
    ]
    if kept:
        say(f"not set, so kept for ever: {', '.join(kept)}")
