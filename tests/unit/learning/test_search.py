"""Random search: what is drawn, what is kept, what is not run twice."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from inventory_match.domain.errors import ConfigurationError, Conflict
from inventory_match.learning.search import Interval, Range, Row, Settings, drawn, search

RANGES: dict[str, Range] = {
    "optimizer.rate": Interval(log_uniform=(1e-4, 1e-2)),
    "loss.scale": Interval(uniform=(8, 32)),
    "optimizer.name": ("sgd", "adamw"),
}


def trained(number: int, settings: Settings) -> Mapping[str, float]:
    """Best where the rate is 1e-3, whatever the rest is; a scale above 30 cannot work."""
    del number
    if float(settings["loss.scale"]) > 30:
        raise ConfigurationError("the weights went to infinity")
    return {"val": 1 - abs(float(settings["optimizer.rate"]) - 1e-3), "few": 0.5}


def test_draws_lie_in_their_ranges_and_hang_on_seed_and_number() -> None:
    draws = [drawn(RANGES, 1, number) for number in range(200)]
    rates = sorted(float(one["optimizer.rate"]) for one in draws)
    scales = sorted(float(one["loss.scale"]) for one in draws)
    assert 1e-4 <= rates[0] < 2e-4
    assert 5e-3 < rates[-1] <= 1e-2
    assert rates[100] == pytest.approx(1e-3, rel=0.5), "the middle order of magnitude, not the middle"
    assert scales[100] == pytest.approx(20, abs=3)
    assert {one["optimizer.name"] for one in draws} == {"sgd", "adamw"}
    assert drawn(RANGES, 1, 3) == draws[3] != drawn(RANGES, 2, 3)


def test_the_table_is_best_first_and_keeps_what_could_not_work(tmp_path: Path) -> None:
    told: list[Row] = []
    rows = search(RANGES, trained, runs=30, seed=1, folder=tmp_path, told=told.append)
    assert [row.number for row in told] == list(range(30))
    failed = [row for row in rows if row.problem]
    assert failed, "the seed draws a scale above 30"
    assert rows[-len(failed) :] == failed
    scores = [row.score for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert rows[0].score == pytest.approx((rows[0].figures["val"] + 0.5) / 2)
    with (tmp_path / "search.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [int(line["run"]) for line in table] == [row.number for row in rows]
    assert table[0].keys() == {"run", *RANGES, "val", "few", "seconds", "problem"}


def test_finished_rows_are_not_run_again_and_more_can_be_asked_for(tmp_path: Path) -> None:
    began: list[Settings] = []

    def cut_short(number: int, settings: Settings) -> Mapping[str, float]:
        began.append(settings)
        if len(began) == 4:
            raise KeyboardInterrupt
        return trained(number, settings)

    with pytest.raises(KeyboardInterrupt):
        search(RANGES, cut_short, runs=6, seed=1, folder=tmp_path)
    rows = search(RANGES, cut_short, runs=8, seed=1, folder=tmp_path)
    assert began[:4] == [drawn(RANGES, 1, number) for number in range(4)]
    assert began[4:] == [drawn(RANGES, 1, number) for number in range(3, 8)]
    whole = search(RANGES, trained, runs=8, seed=1, folder=tmp_path / "whole")
    assert [(row.number, row.settings, row.figures) for row in rows] == [
        (row.number, row.settings, row.figures) for row in whole
    ]


def test_a_table_of_another_search_is_not_gone_on_with(tmp_path: Path) -> None:
    search(RANGES, trained, runs=2, seed=1, folder=tmp_path)
    with pytest.raises(Conflict, match="another folder"):
        search(RANGES, trained, runs=2, seed=2, folder=tmp_path)
    with pytest.raises(Conflict, match="another folder"):
        search(RANGES, trained, runs=2, seed=1, folder=tmp_path, besides="more epochs")
    (tmp_path / "search.json").write_text("{")
    with pytest.raises(ConfigurationError, match="no table of a search"):
        search(RANGES, trained, runs=2, seed=1, folder=tmp_path)
    with pytest.raises(ConfigurationError, match="no ranges"):
        search({}, trained, runs=2, seed=1, folder=tmp_path)


def test_ranges_are_read_strictly() -> None:
    ranges = TypeAdapter[dict[str, Range]](dict[str, Range])
    read = ranges.validate_python({"a": [1, 2], "b": {"uniform": [0, 1]}, "c": ["x"], "d": {"log_uniform": [1, 10]}})
    assert read == {"a": (1, 2), "b": Interval(uniform=(0, 1)), "c": ("x",), "d": Interval(log_uniform=(1, 10))}
    wrong: list[object] = [[], {"uniform": [2, 1]}, {"log_uniform": [0, 1]}, {}, {"normal": [0, 1]}]
    for bad in wrong:
        with pytest.raises(ValidationError):
            ranges.validate_python({"a": bad})
