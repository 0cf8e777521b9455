"""How mistakes in a file that people write are told: all at once, each with file, line, key and cure.

A site file and a planogram are both read into pydantic models and then judged by pure rules; what either finds ends here.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from inventory_match.domain.errors import InvalidInput
from inventory_match.domain.rules import Key, Problem

LineOf = Callable[[Key], int | None]
"""The line a key stands in, as far as that is known."""


def text_of(path: Path) -> str:
    """Raises InvalidInput where the file is not there, or not UTF-8."""
    try:
        return path.read_bytes().decode("utf-8-sig")  # with the mark some editors begin a file with
    except OSError as error:
        raise InvalidInput(f"cannot be read: {error.strerror}", file=str(path), cure="is the path right?") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"is not UTF-8: {error}", file=str(path), cure="save it as UTF-8") from error


def toml_of(text: str, name: str) -> dict[str, Any]:
    """Raises InvalidInput with the line where the text is not TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+)", str(error))
        line = int(at.group(1)) if at else len(text.splitlines())
        raise InvalidInput(f"is not TOML: {error}", file=name, line=line, cure="see https://toml.io") from error


def refuse(name: str, line_of: LineOf, found: Iterable[Problem]) -> None:
    """Raises InvalidInput with all of them in order of their lines; does nothing where there are none."""
    errors = [
        InvalidInput(each.problem, file=name, line=line_of(each.key), key=dotted(each.key), cure=each.cure)
        for each in sorted(found, key=lambda each: line_of(each.key) or 0)
    ]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise InvalidInput("\n".join([f"{len(errors)} mistakes", *map(str, errors)]), file=name)


def as_problem(data: object, error: Mapping[str, Any], kind: str) -> Problem:
    """One of pydantic's errors about `data`, its place freed of the tags of unions. `kind`: what the file is called."""
    key: Key = ()
    value = data
    for part in error["loc"]:
        if (isinstance(value, Mapping) and part in value) or (isinstance(value, list) and isinstance(part, int)):
            value = value[part]
            key = (*key, part)
    if error["type"] == "missing":
        return Problem((*key, error["loc"][-1]), "is missing", "add it")
    if error["type"] == "extra_forbidden":
        return Problem(key, f"is not a key of the {kind}", "correct its name, or remove it")
    if error["type"] in ("dict_type", "model_type"):
        return Problem(key, "is not a table", "write it as in the example of the README")
    return Problem(key, str(error["msg"]).removeprefix("Value error, "))


def dotted(key: Key) -> str:
    """As TOML writes it, elements of an array counted from 1 as people do: stores.s1.cameras[2].keys."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            bare = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'"{part}"'
            text += f".{bare}" if text else bare
    return text
