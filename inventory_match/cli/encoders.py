"""`inventory-match encoders`: what encoders there are, and a file of any torchvision trunk; `switch` changes the active one."""

from __future__ import annotations

from pathlib import Path

import click

from inventory_match.bootstrap import App
from inventory_match.cli.frame import plain_errors, say, table, with_app
from inventory_match.cli.reduce import reduce
from inventory_match.cli.switch import activate, build, list_, prune, rollback
from inventory_match.vision.weights import read_record


@click.group()
def encoders() -> None:
    """The CNN that turns crops into vectors."""


for _command in (list_, build, activate, rollback, prune, reduce):
    encoders.add_command(_command)


@encoders.command()
@click.argument("name", required=False)
@with_app
def show(app: App, name: str | None) -> None:
    """Show the record of the active encoder, or of NAME (or the beginning of its sha256), and what was calibrated for it."""
    from inventory_match.db import catalog

    with app.unit_of_work() as session:
        row = catalog.encoder_named(session, name) if name else catalog.active_encoder(session)
    state = "pruned" if row.pruned_at else row.state
    kept = f"s3://{row.bucket}/{row.key}" if row.key else "only where the settings name it"
    known = {**row.record, "sha256": row.sha256, "state": state, "thresholds": row.thresholds, "file": kept}
    table(row.name, ("field", "value"), [(field, str(value)) for field, value in known.items()])


@encoders.command()
@click.argument("arch")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file to write.")
@click.option("--weights", default="DEFAULT", show_default=True, help="torchvision's name; downloaded by torchvision.")
@click.option("--random", is_flag=True, help="Seeded random weights instead, for comparisons.")
@click.option("--dim", default=256, show_default=True, type=click.IntRange(2, 4000))
def assemble(arch: str, out: Path, weights: str, random: bool, dim: int) -> None:
    """Write an encoder file of torchvision's ARCH: vgg16, resnet18, resnet50, inception_v3, convnext_tiny, ...

    The head is a seeded orthogonal projection. One fitted on your photos is better: assemble at the trunk's full width, then
    `encoders reduce --method pca`. Serve the file with `encoders build` and `encoders activate`.
    """
    from inventory_match.vision.assembly import assemble as write

    with plain_errors():
        record = write(out, arch, weights=None if random else weights, dim=dim)
    say(f"{out}: {record.name}, {record.dim} dimensions, head: {record.head}, sha256 {record.sha256}")
    say(f"inventory-match encoders build {out}")


@encoders.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file to write.")
@click.option("--name", help="What the encoder calls itself; default: as the first of FILES.")
def join(files: tuple[Path, ...], out: Path, name: str | None) -> None:
    """Write one encoder of several FILES that learned the same photos from different seeds: it errs less than each of them.

    Blocks that were frozen while they learned are kept and run once. The vectors lie end to end; `encoders reduce --method
    pca` makes them as short as one encoder's again.
    """
    from inventory_match.vision.joining import join as write

    with plain_errors():
        record = write([read_record(file) for file in files], out, name)
    made = f"{record.branches} encoders with {record.shared} blocks in common, {record.dim} dimensions"
    say(f"{out}: {record.name}, {made}, sha256 {record.sha256}")
    say(f"now: inventory-match calibrate, then inventory-match encoders build {out}")
