"""The command line: one file a group, loaded only when it is used, so that `--help` never imports torch."""

from __future__ import annotations

from importlib import import_module

import click

from inventory_match import __version__

_COMMANDS = {
    "up": "up",
    "doctor": "doctor",
    "config": "config",
    "db": "db",
    "site": "site",
    "catalog": "catalog",
    "photos": "photos",
    "cameras": "cameras",
    "planogram": "planogram",
    "review": "review",
    "explain": "explain",
    "stock": "stock",
    "reorder": "reorder",
    "webhooks": "webhooks",
    "retention": "retention",
    "backup": "backup",
    "restore": "backup",
    "encoders": "encoders",
    "detectors": "detectors",
    "evaluate": "evaluate",
    "train": "train",
    "calibrate": "calibrate",
    "bench": "bench",
    "soak": "soak",
    "intake": "services",
    "worker": "services",
    "beat": "services",
    "demo": "demo",
}
"""Command to the module of this room that holds it, under the same name (`import` and the like get a trailing _)."""


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        command = getattr(import_module(f"{__name__}.{_COMMANDS[cmd_name]}"), cmd_name)
        return command if isinstance(command, click.Command) else None


@click.command(cls=_Lazy)
@click.version_option(__version__, package_name="inventory-match")
def main() -> None:
    """Photos in S3 become matches, stock counts, reorders and signed webhooks in Postgres.

    Start with `inventory-match up`, or look around with `inventory-match doctor`.
    """
