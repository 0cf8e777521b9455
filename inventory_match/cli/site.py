"""`inventory-match site`: apply a site file, or show what is applied."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from inventory_match.bootstrap import App
from inventory_match.cli.frame import console, problems, table, with_app


@click.group()
def site() -> None:
    """Stores, locations, cameras and the stock policy."""


@site.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@with_app
def apply(app: App, file: Path, dry_run: bool) -> None:
    """Make the database say what FILE says. Applying it again changes nothing."""
    from inventory_match import site_file
    from inventory_match.apply_site import apply_site

    found = apply_site(app.unit_of_work, app.kicker, site_file.read(file), datetime.now(UTC), dry_run=dry_run)
    for warning in found.warnings:
        problems.print(f"warning: {warning}", style="yellow", markup=False)
    if found.changes:
        rows = [
            (change.what, change.kind, change.name, _difference(change.before, change.after))
            for change in found.changes
        ]
        table(f"{file}: would change" if dry_run else f"{file}: applied", ("what", "kind", "name", "difference"), rows)
    else:
        console.print("nothing to change")
    if found.rerouted:
        console.print(f"{len(found.rerouted)} photos that had no camera are on their way")


@site.command()
@with_app
def show(app: App) -> None:
    """Print what is applied."""
    from inventory_match.db import site as rows
    from inventory_match.domain.site_changes import scope_name

    with app.unit_of_work() as session:
        applied = rows.load(session)
    table(
        "stores",
        ("store", "name", "time zone", "locations", "assortment", "alerts per hour", "keep photos, days"),
        [
            (
                s.store,
                s.name,
                s.timezone,
                ", ".join(s.locations),
                _shown(s.assortment),
                s.alerts_per_hour,
                s.keep_photos_days,
            )
            for s in applied.stores
        ],
    )
    table(
        "cameras",
        ("camera", "store", "location", "kind", "keys", "regions", "rows", "expected every", "records"),
        [
            (
                c.camera,
                c.store,
                c.location,
                c.kind,
                c.key_pattern,
                len(c.regions) or ("found" if c.kind == "shelf" else 0),
                _shown(c.rows) if c.rows else None,
                _shown(c.expected_interval),
                c.records,
            )
            for c in applied.cameras
        ],
    )
    policies = sorted(applied.all_rules, key=lambda rule: rule.rank)
    table(
        "policies, the later winning",
        ("for", "settings"),
        [(scope_name(r), _difference({}, r.settings)) for r in policies],
    )


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """`reorder_point 2 → 3, depth 4`: the old value only where there was one."""
    parts = []
    for key in after or before:
        was, new = _shown(before.get(key)), _shown(after.get(key))
        parts.append(f"{key} {was} → {new}" if before and after else f"{key} {new if after else was}")
    return ", ".join(part for part in parts if not part.endswith(" –"))


def _shown(value: object) -> str:
    match value:
        case None:
            return "–"
        case timedelta():
            seconds = int(value.total_seconds())
            size, unit = next(
                (size, unit) for size, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")) if seconds % size == 0
            )
            return f"{seconds // size}{unit}"
        case (int() as first, *others):
            return ", ".join(map(str, (first, *others)))
        case frozenset() | tuple() | list():
            several = sorted(map(str, value)) if isinstance(value, frozenset) else [str(each) for each in value]
            return ", ".join(several) if len(several) <= 3 and isinstance(value, frozenset) else str(len(several))
        case _:
            return str(value)
