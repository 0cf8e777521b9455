"""`inventory-match doctor`: one line for everything the product depends on, and how to mend what is wrong. With `--live` one
for everything that should be running, and whether its work is fresh.
"""

from __future__ import annotations

import click
from pydantic import ValidationError
from rich.text import Text

from inventory_match.bootstrap import migrations
from inventory_match.checkup import LIVE, Check, Checkup, Verdict, check_all
from inventory_match.checkup.live import ready
from inventory_match.cli.frame import console, opened, settings_problem
from inventory_match.db import migrate
from inventory_match.domain.errors import ConfigurationError
from inventory_match.domain.text import printable
from inventory_match.settings import Settings

_STYLES = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}


@click.command()
@click.option("--live", is_flag=True, help="Judge what runs: workers, beat, and whether anything waits too long.")
@click.option("--url", "urls", multiple=True, help="With --live: ask the /readyz of this process too; may be repeated.")
def doctor(live: bool, urls: tuple[str, ...]) -> None:
    """Look at settings, Postgres, Redis, bucket, queue, encoder, roles and workers. Exit code 1 when something fails."""
    if urls and not live:
        raise click.UsageError("--url asks a running process: give --live too")
    try:
        settings = Settings()
    except (ValidationError, ConfigurationError) as error:
        wrong = settings_problem(error) if isinstance(error, ValidationError) else str(error)
        _show(Check("settings", Verdict.FAIL, wrong, "mend the INVENTORY_MATCH_* variable or the TOML file"))
        raise SystemExit(1) from error
    _show(Check("settings", Verdict.OK, f"{len(settings.model_fields_set)} set, the others have their defaults", ""))
    with opened(settings) as app:
        checks = [*Checkup(app, LIVE).checks(), *map(ready, urls)] if live else check_all(app)
    for check in checks:
        _show(check)
    if any(check.name == "roles" and check.verdict is Verdict.FAIL for check in checks):
        click.echo(f"\n{migrate.roles_sql(migrations())}", nl=False)
    failed = [check.name for check in checks if check.verdict is Verdict.FAIL]
    if failed:
        raise SystemExit(1)


def _show(check: Check) -> None:
    line = Text.assemble((f"{check.verdict:<5}", _STYLES[check.verdict]), f"{check.name:<15} {printable(check.detail)}")
    if check.cure and check.verdict is not Verdict.OK:
        line.append(f"\n{'':<21}-> {check.cure}")
    console.print(line, soft_wrap=True)
