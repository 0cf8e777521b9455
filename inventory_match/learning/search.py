"""Random search: N settings drawn from a preset's ranges, each a training run of its own, and the table of what came of it.

Random rather than on a grid, because few settings matter and nobody knows beforehand which: N draws try N values of each
(Bergstra & Bengio, JMLR 2012). Every draw hangs on (seed, its number), so a search that was cut short goes on where it was,
one with a larger N goes further, and neither runs a finished row again.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from inventory_match.domain.errors import ConfigurationError, Conflict, Permanent

Value: TypeAlias = float | int | str | bool
Settings: TypeAlias = Mapping[str, Value]
"""Dotted keys of a preset (`loss.scale`) and the values drawn for them."""
Train: TypeAlias = Callable[[int, Settings], Mapping[str, float]]
"""The run of a number with these settings; returns its figures, each better the higher it is. One cut short goes on."""


class Interval(BaseModel):
    """Numbers between two, both included, all alike (`uniform`) or all orders of magnitude alike (`log_uniform`: rates)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    uniform: tuple[float, float] | None = None
    log_uniform: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Interval:
        if (self.uniform is None) == (self.log_uniform is None):
            raise ValueError("write { uniform = [from, to] } or { log_uniform = [from, to] }")
        low, high = self.uniform or self.log_uniform or (0, 0)
        if low >= high or (self.log_uniform and low <= 0):
            raise ValueError(f"[{low}, {high}] must rise, and begin above 0 where it is log_uniform")
        return self

    def drawn(self, draw: Random) -> float:
        """To four significant digits: what is in the table can be typed."""
        if self.log_uniform:
            value = math.exp(draw.uniform(*map(math.log, self.log_uniform)))
        else:
            value = draw.uniform(*self.uniform or (0, 0))
        return float(f"{value:.4g}")


Range: TypeAlias = Interval | Annotated[tuple[Value, ...], Field(min_length=1)]
"""What a key may be set to: an interval, or a list of choices."""


@dataclass(frozen=True, slots=True)
class Row:
    """One run: its settings, figures by name, seconds, and the problem with which it ended instead of figures."""

    number: int
    settings: dict[str, Value]
    figures: dict[str, float]
    seconds: float
    problem: str = ""

    @property
    def score(self) -> float:
        """The mean of the figures; a run without any is the worst."""
        return sum(self.figures.values()) / len(self.figures) if self.figures else -math.inf


def drawn(ranges: Mapping[str, Range], seed: int, number: int) -> dict[str, Value]:
    """The settings of run `number`, whatever else is drawn."""
    draw = Random(f"search {seed} {number}")
    return {
        key: span.drawn(draw) if isinstance(span, Interval) else draw.choice(span)
        for key, span in sorted(ranges.items())
    }


def search(
    ranges: Mapping[str, Range],
    train: Train,
    *,
    runs: int,
    seed: int,
    folder: Path,
    besides: str = "",
    told: Callable[[Row], None] = lambda _: None,
) -> list[Row]:
    """Draws `runs` settings, trains each that is not in `folder`'s table yet, and returns all rows, best first.

    `folder/search.json` and `search.csv` are whole after every run; `told` hears each row as it is done. A run that ends
    with a permanent error keeps it as its problem, for some of what chance draws cannot work. `besides` is what all runs
    have in common. Raises ConfigurationError without ranges, Conflict where the table is that of other ranges, another seed
    or something else besides: rows of different searches cannot be compared.
    """
    if not ranges:
        raise ConfigurationError("the preset has no ranges to search; write a [search] table: key = [choice, ...]")
    folder.mkdir(parents=True, exist_ok=True)
    mark = _mark(ranges, seed, besides)
    rows = _done(folder, mark)
    for number in range(runs):
        if number in rows:
            continue
        rows[number] = _run(train, number, drawn(ranges, seed, number))
        _keep(folder, mark, list(rows.values()))
        told(rows[number])
    return ranked(list(rows.values()))


def ranked(rows: Sequence[Row]) -> list[Row]:
    """Best first; of equals the one that was drawn first."""
    return sorted(rows, key=lambda row: (-row.score, row.number))


def tabulated(rows: Sequence[Row]) -> tuple[list[str], list[list[Any]]]:
    """Column names, and a line of cells for each row: settings, figures and what else a row says."""
    keys = sorted({key for row in rows for key in row.settings})
    names = sorted({name for row in rows for name in row.figures})
    cells = [
        [row.number, *map(row.settings.get, keys), *map(row.figures.get, names), row.seconds, row.problem]
        for row in rows
    ]
    return ["run", *keys, *names, "seconds", "problem"], cells


def _run(train: Train, number: int, settings: dict[str, Value]) -> Row:
    started = time.monotonic()
    try:
        figures, problem = dict(train(number, settings)), ""
    except Permanent as error:
        figures, problem = {}, str(error)
    return Row(number, settings, figures, round(time.monotonic() - started, 1), problem)


def _mark(ranges: Mapping[str, Range], seed: int, besides: str) -> str:
    shown = {key: span.model_dump() if isinstance(span, Interval) else list(span) for key, span in ranges.items()}
    return hashlib.sha256(json.dumps([shown, seed, besides], sort_keys=True).encode()).hexdigest()


def _done(folder: Path, mark: str) -> dict[int, Row]:
    path = folder / "search.json"
    if not path.exists():
        return {}
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        found, rows = kept["search"], [Row(**row) for row in kept["runs"]]
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(f"{path}: no table of a search ({error}); remove it to start again") from error
    if found != mark:
        raise Conflict(f"{path} is of a search of other ranges, settings or another seed; name another folder")
    return {row.number: row for row in rows}


def _keep(folder: Path, mark: str, rows: Sequence[Row]) -> None:
    """JSON to go on from, CSV to look at; each whole or not at all."""
    best = ranked(rows)
    beside = folder / "search.part"
    whole = {"search": mark, "runs": [asdict(row) for row in best]}
    beside.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    beside.replace(folder / "search.json")
    with beside.open("w", encoding="utf-8", newline="") as file:
        columns, lines = tabulated(best)
        csv.writer(file).writerows([columns, *lines])
    beside.replace(folder / "search.csv")
