"""Reads a planogram: what should stand on one shelf, or in the view of one camera.

    name = "Snacks, week 12"                 # default: the file's name
    [[rows]]                                 # from the top
    positions = [                            # from the left
        { sku = "oat-bar", facings = 3 },    # side by side; default 1
        "nut-bar",                           # the same as { sku = "nut-bar" }
    ]
    [[rows]]
    positions = ["fig-bar", "oat-bar"]

The same as JSON: {"rows": [{"positions": [{"sku": "oat-bar", "facings": 3}, "nut-bar"]}]}. Also the JSON of the retired
Planogram Compliance service of Azure, alone or as the `planogram` of its requests:

    {"products": [{"id", "name", "w", "h"}], "fixtures": [{"id", "w", "h", "x", "y"}],
     "positions": [{"id", "productId", "fixtureId", "x", "y"}]}

A product is named by its sku or its GTIN; in the last shape its id is one of these, or else its name is. All mistakes are told
at once, each with file, key and cure, and in TOML with the line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from inventory_match.domain.errors import InvalidInput
from inventory_match.domain.planogram import Slot, plan_problems
from inventory_match.domain.rules import Problem
from inventory_match.file_mistakes import LineOf, as_problem, refuse, text_of, toml_of
from inventory_match.planogram_schema import Planned, model_for
from inventory_match.toml_lines import TomlLines


@dataclass(frozen=True, slots=True)
class PlanogramFile:
    """A plan that makes sense by itself, and where its keys stand. Whether its products exist only the catalog knows."""

    file: str
    name: str
    planned: tuple[Planned, ...]
    line_of: LineOf

    def refuse(self, found: Iterable[Problem]) -> None:
        """Raises InvalidInput with all of them, each at its line."""
        refuse(self.file, self.line_of, found)


def read(path: Path) -> PlanogramFile:
    """Raises InvalidInput naming everything that is wrong."""
    return parse(text_of(path), str(path))


def parse(text: str, file: str) -> PlanogramFile:
    """`file` is what messages call the text; one that ends in .json is JSON, any other TOML. Raises InvalidInput."""
    data, line_of = _json(text, file) if file.lower().endswith(".json") else _toml(text, file)
    shape = model_for(data)
    try:
        plan = shape.model_validate(data)
    except ValidationError as error:
        refuse(file, line_of, (as_problem(data, each, "planogram") for each in error.errors(include_url=False)))
        raise
    refuse(file, line_of, plan.problems())
    planned = plan.planned()
    slots = [(Slot(one.row, one.place, one.codes[0], one.facings), one.key) for one in planned]
    refuse(file, line_of, plan_problems(slots))
    return PlanogramFile(file, plan.name or Path(file).stem, tuple(planned), line_of)


def _toml(text: str, file: str) -> tuple[dict[str, Any], LineOf]:
    return toml_of(text, file), TomlLines(text).line


def _json(text: str, file: str) -> tuple[dict[str, Any], LineOf]:
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        raise InvalidInput(f"is not JSON: {error}", file=file, line=line, cure="see https://json.org") from error
    if isinstance(data, dict) and isinstance(data.get("planogram"), dict):
        data = data["planogram"]
    if not isinstance(data, dict):
        raise InvalidInput("is not a JSON object", file=file, cure='write {"rows": [...]}')
    return data, lambda _: None
