"""`inventory-match encoders`: what encoder is in use, and a file of any torchvision trunk to serve instead."""

from __future__ import annotations

from pathlib import Path

import click

from inventory_match.bootstrap import App
from inventory_match.cli.frame import console, table, with_app


@click.group()
def encoders() -> None:
    """The CNN that turns crops into vectors."""


@encoders.command()
@with_app
def show(app: App) -> None:
    """Show the configured encoder's record."""
    record = app.encoder_record
    table(record.name, ("field", "value"), [(name, str(getattr(record, name))) for name in record.__dataclass_fields__])


@encoders.command()
@click.argument("arch")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file to write.")
@click.option("--weights", default="DEFAULT", show_default=True, help="torchvision's name; downloaded by torchvision.")
@click.option("--random", is_flag=True, help="Seeded random weights instead, for comparisons.")
@click.option(
    "--references", type=click.Path(path_type=Path), help="Columns image, sku: their pictures fit a PCA head."
)
@click.option("--dim", default=256, show_default=True, type=click.IntRange(2, 2000))
@with_app
def assemble(app: App, arch: str, out: Path, weights: str, random: bool, references: Path | None, dim: int) -> None:
    """Write an encoder file of torchvision's ARCH: vgg16, resnet18, resnet50, inception_v3, convnext_tiny, ...

    The head is a PCA of the references' features, or a seeded orthogonal projection without any. Serve it with
    INVENTORY_MATCH_ENCODER_FILE.
    """
    from inventory_match.learning.labelled import read_labelled
    from inventory_match.vision.assembly import assemble as write

    crops = [one.pixels(app.studio.decode) for one in read_labelled(references)] if references else []
    record = write(out, arch, weights=None if random else weights, dim=dim, crops=crops)
    console.print(
        f"{out}: {record.name}, {record.dim} dimensions, head: {record.head}, sha256 {record.sha256}", soft_wrap=True
    )
    console.print(
        f"export INVENTORY_MATCH_ENCODER_FILE={out} INVENTORY_MATCH_ENCODER_SHA256={record.sha256}", soft_wrap=True
    )
