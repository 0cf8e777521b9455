"""From the text of a preset, and what the command line changes in it, to a `Preset`; every mistake with file, line and key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from inventory_match.domain.errors import InvalidInput
from inventory_match.learning.preset import Preset
from inventory_match.toml_lines import TomlLines

Shape = TypeVar("Shape", bound=BaseModel)


def shipped_presets() -> list[str]:
    """The names of those in the package."""
    return sorted(path.name.removesuffix(".toml") for path in _folder().iterdir() if path.name.endswith(".toml"))


def preset_path(name: str) -> Path:
    """A file of the reader's own, else one of the package by its name."""
    if Path(name).is_file():
        return Path(name)
    path = _folder() / f"{name}.toml"
    if not path.is_file():
        cure = f"a TOML file, or one of {', '.join(shipped_presets())}"
        raise InvalidInput("there is no such preset", file=name, cure=cure)
    return path


def read_preset(
    path: Path,
    changes: Sequence[str] = (),
    values: Mapping[str, object] = MappingProxyType({}),
    epochs: int | None = None,
) -> Preset:
    """`changes` are KEY=VALUE with a dotted key (`loss.scale=20`, `source.0.per_class=10`) and a TOML value, or words;
    `values` the same, parsed, where None changes nothing. With `epochs` the course is stretched to so many.

    Raises InvalidInput naming all that is wrong.
    """
    preset = read_strictly(path, Preset, changes, values)
    return preset if epochs is None else stretched(preset, epochs)


def read_strictly(
    path: Path,
    shape: type[Shape],
    changes: Sequence[str] = (),
    values: Mapping[str, object] = MappingProxyType({}),
) -> Shape:
    """A preset of that shape; `changes` and `values` as for `read_preset`. Raises InvalidInput naming all that is wrong."""
    text, found = _read(path)
    for key, value in [*map(_parsed, changes), *values.items()]:
        if value is not None:
            _set(found, key, value)
    try:
        return shape.model_validate(found)
    except ValidationError as error:
        lines = TomlLines(text)
        raise InvalidInput("; ".join(_told(problem, lines) for problem in error.errors()), file=str(path)) from error


def task_of(path: Path) -> str:
    """What a preset teaches: `encoder`, unless it says otherwise. Raises InvalidInput where it is no TOML."""
    return str(_read(path)[1].get("task", "encoder"))


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return text, tomllib.loads(text)
    except OSError as error:
        raise InvalidInput(f"cannot be read: {error.strerror}", file=str(path), cure="is the path right?") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"is not TOML: {error}", file=str(path), cure="mend it there") from error


def stretched(preset: Preset, epochs: int) -> Preset:
    """The same course over so many epochs: each stage keeps its share, and the last takes what rounding leaves."""
    if epochs < len(preset.stage):
        stages = preset.stage[-epochs:]
        return preset.model_copy(update={"stage": tuple(one.model_copy(update={"epochs": 1}) for one in stages)})
    ends = [sum(one.epochs for one in preset.stage[: n + 1]) / preset.epochs for n in range(len(preset.stage))]
    bounds = [0]
    for number, end in enumerate(ends):
        still = len(ends) - number - 1
        bounds.append(min(max(round(end * epochs), bounds[-1] + 1), epochs - still))
    spans = [after - before for before, after in pairwise(bounds)]
    stages = tuple(one.model_copy(update={"epochs": n}) for one, n in zip(preset.stage, spans, strict=True))
    return preset.model_copy(update={"stage": stages})


def _folder() -> Path:
    return Path(str(resources.files("inventory_match.learning"))) / "presets"


def _parsed(change: str) -> tuple[str, object]:
    key, equals, value = change.partition("=")
    if not equals or not key:
        raise InvalidInput(f"{change!r} sets nothing", key="--set", cure="write KEY=VALUE, such as loss.scale=20")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value  # words need no quotes


def _set(found: dict[str, Any], key: str, value: object) -> None:
    *way, last = key.split(".")
    place: Any = found
    try:
        for part in way:
            place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
        place[int(last) if isinstance(place, list) else last] = value
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        raise InvalidInput("there is no such place in the preset", key=key, cure="see the preset's keys") from error


def _told(problem: Any, lines: TomlLines) -> str:
    where = tuple(problem["loc"])
    line = lines.line(tuple(part for part in where if part is not None))
    unknown = problem["type"] == "extra_forbidden"
    said = "there is no such key" if unknown else str(problem["msg"]).removeprefix("Value error, ")
    return f"{'.'.join(map(str, where)) or 'preset'}{f' (line {line})' if line else ''}: {said}"
