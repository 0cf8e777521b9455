"""Reads `site.toml`: stores, their locations, cameras and assortment, and the stock policy.

    [defaults.policy]                        # for every product; [categories.NAME.policy] and [products.SKU.policy] likewise
    reorder_point = 2                        # low at or below it
    clear_point = 4                          # above the reorder point: the alert arms again here
    target_level = 6                         # orders fill up to it
    # pack_size = 1, lead_time_days = 0, confirmations = 1 (photos that must agree), depth = 1 (units behind a facing),
    # snooze_until = 2027-01-05T08:00:00+01:00, level_source = "camera" or "book"

    [stores.s1]
    name = "Main street"
    timezone = "Europe/Berlin"               # default UTC
    assortment = ["cola-033", "rice-1kg"]    # default "all"
    alerts_per_hour = 20                     # the rest follows as a digest; default no ceiling
    keep_photos_days = 30

    [stores.s1.policy]                       # also [stores.s1.categories.NAME.policy], [stores.s1.products.SKU.policy]
    confirmations = 2

    [stores.s1.locations.aisle-1]
    name = "Aisle 1"                         # default its code

    [[stores.s1.cameras]]
    id = "aisle-1-top"                       # unique over all stores
    location = "aisle-1"
    kind = "shelf"                           # or "product": one product a photo
    keys = "cams/aisle-1/"                   # a prefix, or a pattern: "{store}/{camera}/{captured_at}.jpg"
    expected_every = "15m"                   # silence for longer raises camera.silent
    regions = [[0.0, 0.0, 0.5, 1.0], [0.5, 0.0, 1.0, 1.0]]  # kind shelf: one facing each, x0 y0 x1 y1 in fractions;
                                             # without regions the camera finds the facings by itself
    rows = [2, 3]                            # kind shelf: the location's rows it sees, from the top; default: 1, 2, 3, ...
    # records = "received"                   # kind product: each photo books one unit in

The more specific policy wins key by key: defaults, category, store, category in a store, product, product in a store.
Several shelf cameras may watch one location. Of each of its rows the newest view counts, and views are never added up: so two
cameras that show the same row must both show all of it. Cameras that each show a part of a row need locations of their own.
All mistakes are told at once, each with file, line, key and cure.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from inventory_match.domain.errors import InvalidInput
from inventory_match.domain.rules import Key, Problem
from inventory_match.domain.site import Site, problems
from inventory_match.site_schema import SiteModel
from inventory_match.toml_lines import TomlLines


@dataclass(frozen=True, slots=True)
class SiteFile:
    """A site that makes sense by itself, and where its keys stand."""

    name: str
    site: Site
    lines: TomlLines

    def refuse(self, found: Iterable[Problem]) -> None:
        """Raises InvalidInput with all of them, each at its line."""
        _refuse(self.name, self.lines, found)


def read(path: Path) -> SiteFile:
    """Raises InvalidInput naming everything that is wrong."""
    try:
        text = path.read_bytes().decode("utf-8-sig")  # with the mark some editors begin a file with
    except OSError as error:
        raise InvalidInput(f"cannot be read: {error.strerror}", file=str(path), cure="is the path right?") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"is not UTF-8: {error}", file=str(path), cure="save it as UTF-8") from error
    return parse(text, str(path))


def parse(text: str, name: str) -> SiteFile:
    """`name` is what messages call the text. Raises InvalidInput naming everything that is wrong."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+)", str(error))
        line = int(at.group(1)) if at else len(text.splitlines())
        raise InvalidInput(f"is not TOML: {error}", file=name, line=line, cure="see https://toml.io") from error
    lines = TomlLines(text)
    try:
        site = SiteModel.model_validate(data).site()
    except ValidationError as error:
        _refuse(name, lines, (_problem(data, each) for each in error.errors(include_url=False)))
        raise
    _refuse(name, lines, problems(site))
    return SiteFile(name, site, lines)


def _refuse(name: str, lines: TomlLines, found: Iterable[Problem]) -> None:
    errors = [
        InvalidInput(each.problem, file=name, line=lines.line(each.key), key=dotted(each.key), cure=each.cure)
        for each in sorted(found, key=lambda each: lines.line(each.key) or 0)
    ]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise InvalidInput("\n".join([f"{len(errors)} mistakes", *map(str, errors)]), file=name)


def _problem(data: Mapping[str, Any], error: Mapping[str, Any]) -> Problem:
    """One of pydantic's errors, its place freed of the tags of unions."""
    key: Key = ()
    value: Any = data
    for part in error["loc"]:
        if (isinstance(value, Mapping) and part in value) or (isinstance(value, list) and isinstance(part, int)):
            value = value[part]
            key = (*key, part)
    if error["type"] == "missing":
        return Problem((*key, error["loc"][-1]), "is missing", "add it")
    if error["type"] == "extra_forbidden":
        return Problem(key, "is not a key of the site file", "correct its name, or remove it")
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
