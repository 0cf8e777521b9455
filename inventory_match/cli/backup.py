"""`inventory-match backup` and `restore`: the data directory of `inventory-match up` as one file, while it is stopped."""

from __future__ import annotations

from pathlib import Path

import click

from inventory_match.cli.frame import plain_errors, say

_DATA = click.option(
    "--data", type=click.Path(path_type=Path, file_okay=False), default=Path(".inventory-match"), show_default=True,
    help="The folder given to `inventory-match up`.",
)  # fmt: skip


@click.command()
@_DATA
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="A new tar file.")
def backup(data: Path, out: Path) -> None:
    """Save a stopped machine: rows, objects and passwords, in one file."""
    with plain_errors():
        from inventory_match.embedded import archive

        files = archive.backup(data, out)
        say(
            f"{out}: {files} files, {out.stat().st_size / 2**20:.0f} MiB; it holds passwords, keep it as you keep those"
        )


@click.command()
@click.argument("archive", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@_DATA
def restore(archive: Path, data: Path) -> None:
    """Make the folder of a machine anew from a backup; every byte is compared first."""
    with plain_errors():
        from inventory_match.embedded import archive as embedded

        files = embedded.restore(archive, data)
        say(f"{data}: {files} files; start it with: inventory-match up --data {data}")
