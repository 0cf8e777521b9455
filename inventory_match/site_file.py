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

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from inventory_match.domain.rules import Problem
from inventory_match.domain.site import Site, problems
from inventory_match.file_mistakes import as_problem, refuse, text_of, toml_of
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
        refuse(self.name, self.lines.line, found)


def read(path: Path) -> SiteFile:
    """Raises InvalidInput naming everything that is wrong."""
    return parse(text_of(path), str(path))


def parse(text: str, name: str) -> SiteFile:
    """`name` is what messages call the text. Raises InvalidInput naming everything that is wrong."""
    data = toml_of(text, name)
    lines = TomlLines(text)
    try:
        site = SiteModel.model_validate(data).site()
    except ValidationError as error:
        refuse(name, lines.line, (as_problem(data, each, "site file") for each in error.errors(include_url=False)))
        raise
    refuse(name, lines.line, problems(site))
    return SiteFile(name, site, lines)
