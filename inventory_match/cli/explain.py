"""`inventory-match explain`: why a sighting was decided as it was, in words and as a picture."""

from __future__ import annotations

import json
from pathlib import Path

import click

from inventory_match.bootstrap import App
from inventory_match.cli.frame import problems, say, table, with_app
from inventory_match.cli.parameters import picture


@click.command()
@click.argument("sighting", type=int)
@click.option("-o", "--out", type=picture, metavar="FILE", help="The picture to write: PNG or JPEG.")
@click.option("-k", "count", default=5, show_default=True, type=click.IntRange(1, 20), help="How many references.")
@click.option("--json", "as_json", is_flag=True, help="For machines, instead of words.")
@with_app
def explain(app: App, sighting: int, out: Path | None, count: int, as_json: bool) -> None:
    """Show why SIGHTING was decided as it was: its nearest references, and the rule with its thresholds.

    The picture adds a heat map of what in the crop carried the similarity to the best reference, and to the best one of
    another product. Everything is by the encoder that made the sighting's vector.
    """
    from inventory_match.explain import draw
    from inventory_match.explain import explain as find

    with app.unit_of_work() as session:
        found = find(session, sighting, count)
    if as_json:
        click.echo(json.dumps(found.as_dict(), indent=2))
    else:
        for line in found.lines:
            say(line)
        rows = [(one.id, one.sku, one.name, f"{one.similarity:.3f}") for one in found.references]
        table("Nearest references", ("reference", "sku", "name", "similarity"), rows)
    if out is not None:
        drawn = draw(found, app.pixels, app.encoder_files.record)
        drawn.save(out)
        problems.print(f"{out}: {drawn.width} x {drawn.height}", markup=False, soft_wrap=True)
