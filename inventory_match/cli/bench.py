"""`inventory-match bench`: how fast what serves is on this machine. A report, never a test: nothing passes or fails."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from pydantic import SecretStr

from inventory_match.bootstrap import App, migrations
from inventory_match.cli.frame import opened, say, table, with_app
from inventory_match.cli.scratch import a_server, bars
from inventory_match.db import health, migrate
from inventory_match.db.scratch import scratch_database

_Out = click.option(
    "--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the figures."
)
_Rounds = click.option("--rounds", type=click.IntRange(1), default=7, show_default=True, help="Medians are over these.")
_MANY = click.IntRange(1)


@click.group()
def bench() -> None:
    """Measure speeds here, all candidates in alternating rounds.

    Read ratios first: on a busy machine both sides of one are slowed alike. Speeds a second are this machine's, at the
    load shown.
    """


@bench.command("embed")
@click.option("--crops", type=_MANY, default=32, show_default=True, help="Rendered packs, 280 px high, as JPEG.")
@click.option("--batch", "batches", type=_MANY, multiple=True, default=(1, 8), show_default=True)
@click.option(
    "--threads", type=click.IntRange(0), multiple=True, default=(1, 0), show_default=True, help="0 means every core."
)
@_Rounds
@_Out
@with_app
def embed(
    app: App, crops: int, batches: tuple[int, ...], threads: tuple[int, ...], rounds: int, out: Path | None
) -> None:
    """Crops a second of the configured encoder, for each runtime installed, batch size and number of threads.

    `ratio` is to the first row (torch), `least cosine` says how like its vectors are; `decode + embed` begins at the JPEG.
    """
    from inventory_match.learning.bench.embedding import measure, ways
    from inventory_match.rendering.studio import studio_jpegs

    record = app.encoder_record
    candidates = ways(threads, batches)
    with bars() as bar:
        done = bar("embedding", 2 * (rounds + 1) * len(candidates))
        found = measure(record, studio_jpegs(crops, seed=5), app.reference_decoder, candidates, rounds, done)
    columns = ("runtime", "dtype", "threads", "batch", "crops/s", "decode + embed/s", "ratio", "least cosine")
    rows = [
        (s.runtime, s.dtype, s.threads, s.batch, *map(_short, (s.embed_per_second, s.decode_and_embed_per_second)),
         _short(s.ratio), round(s.least_cosine, 6))
        for s in found
    ]  # fmt: skip
    size = record.preprocessing.crop or record.preprocessing.size
    table(f"Embedding with {record.name} ({record.arch}, {size} px, {record.dim} d)", columns, rows)
    _report({"encoder": record.name, "arch": record.arch, "size": size, "sha256": record.sha256}, found, out)


@bench.command("search")
@click.option("--references", type=_MANY, multiple=True, default=(2_000, 10_000, 50_000), show_default=True)
@click.option("--dim", type=click.IntRange(2, 4000), default=256, show_default=True)
@click.option(
    "--crops", type=_MANY, default=16, show_default=True, help="Crops a photo: one search asks for all of them."
)
@click.option("--seed", type=int, default=0, show_default=True)
@_Rounds
@_Out
@with_app
def search(
    app: App, references: tuple[int, ...], dim: int, crops: int, seed: int, rounds: int, out: Path | None
) -> None:
    """Crops a second and recall of exact search, HNSW and inverted lists, by references in the catalog.

    In a scratch database on the configured server (where none answers, one is started), with vectors that are drawn.
    `ratio` is to exact search; `exact_search_below` belongs where it passes 1. Recall is against exact search, of its
    first and its first ten products. An index is `used` where Postgres finds it cheaper than reading the table.
    """
    from inventory_match.learning.bench.search import measure, runs

    found = []
    with a_server(app) as server, bars() as bar:
        for count in references:
            with scratch_database(server) as url:
                settings = app.settings.model_copy(update={"database_url": SecretStr(url)})
                with opened(settings) as scratch:
                    migrate.upgrade(scratch.engine, migrations())
                    done = bar(f"{count} references", runs(rounds))
                    found += measure(
                        scratch.unit_of_work, count, dim=dim, crops=crops, rounds=rounds, seed=seed, done=done
                    )
                    with scratch.engine.connect() as connection:
                        version = health.server_version(connection)[1], health.pgvector_version(connection)
    columns = ("references", "method", "scan", "crops/s", "ratio", "recall@1", "recall@10", "used", "built in s", "MB")
    rows = [
        (s.references, s.method, s.scan, *map(_short, (s.crops_per_second, s.ratio, s.recall_at_1, s.recall_at_10)),
         {True: "yes", False: "no"}[s.used] if s.scan else None, *map(_short, (s.build_seconds, s.index_mb)))
        for s in found
    ]  # fmt: skip
    table(f"Searching {dim} dimensions, {crops} crops a photo", columns, rows)
    _report(
        {"dim": dim, "crops": crops, "seed": seed, "postgres": version[0], "pgvector_server": version[1]}, found, out
    )


def _report(what: dict[str, Any], found: Sequence[Any], out: Path | None) -> None:
    from inventory_match.learning.bench.host import host

    here = host()
    say(", ".join(f"{name} {value}" for name, value in here.items()))
    if out is not None:
        figures = {**what, "host": here, "figures": [asdict(row) for row in found]}
        out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        say(f"written to {out}")


def _short(value: float) -> float:
    return round(value, 2 if value < 100 else 0)
