"""`inventory-match detectors`: what finds facings for shelf cameras without regions, and a file of any of torchvision's."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from inventory_match.bootstrap import App
from inventory_match.cli.frame import plain_errors, say, table, with_app

_File = click.Path(path_type=Path, dir_okay=False)


@click.group()
def detectors() -> None:
    """The network that finds facings on a shelf. `inventory-match train detector` makes small ones."""


@detectors.command()
@click.argument("file", required=False, type=_File)
@with_app
def show(app: App, file: Path | None) -> None:
    """Show the record of the configured detector file, or of FILE."""
    from inventory_match.vision.detection.weights import read_record

    record = app.detector_record if file is None else read_record(file)
    table(record.name, ("field", "value"), [(field, str(value)) for field, value in asdict(record).items()])


@detectors.command()
@click.argument("arch")
@click.option("--out", required=True, type=_File, help="The file to write.")
@click.option(
    "--weights", default="DEFAULT", show_default=True, help="torchvision's name, or a file: the model's state_dict."
)
@click.option(
    "--classes", default=2, show_default=True, type=click.IntRange(2), help="Of a file: background and products."
)
@click.option(
    "--product", "products", multiple=True, help="With torchvision's weights: only this category; repeatable."
)
def assemble(arch: str, out: Path, weights: str, classes: int, products: tuple[str, ...]) -> None:
    """Write a detector file of torchvision's ARCH: fasterrcnn_mobilenet_v3_large_fpn, retinanet_resnet50_fpn, ssdlite320_...

    Serve it with INVENTORY_MATCH_DETECTOR_FILE. These networks need torch at every worker, and are slower than what ships.
    """
    from inventory_match.vision.detection.assembly import assemble as write

    given = Path(weights) if Path(weights).suffix in (".pth", ".pt") else weights
    if products and isinstance(given, Path):
        raise click.UsageError("--product chooses among torchvision's categories; a file has classes of its own")
    with plain_errors():
        record = write(out, arch, given, classes=classes, products=products)
    say(f"{out}: {record.origin}, sha256 {record.sha256}")
    say(f"export INVENTORY_MATCH_DETECTOR_FILE={out}")
