"""The shape of `site.toml` for pydantic: which keys there are, what each may hold, and how they become a `Site`.

What one value can tell by itself is checked here; what lies between several of them in `domain.site.problems`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from inventory_match.domain.photos import Box, KeyPattern
from inventory_match.domain.rules import Rule
from inventory_match.domain.site import Camera, Site, Store

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"time zone {name!r} is unknown; use an IANA name such as Europe/Berlin") from error
    return name


def _interval(text: object) -> timedelta:
    found = re.fullmatch(r"([1-9]\d{0,6})\s*([smhd])", text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f'{text!r} is no interval; write a number and s, m, h or d, such as "15m"')
    return timedelta(**{_UNITS[found.group(2)]: int(found.group(1))})


def _pattern(text: str) -> str:
    # A key may hold braces; in a site file a single one is a field that was not closed.
    if re.search(r"[{}]", re.sub(r"\{[^{}]*\}", "", text)):
        raise ValueError(f"{text!r} has a brace too many; write fields {{like_this}}")
    KeyPattern(text)
    return text


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL character; remove it")
    return text


def _inside(corners: list[float]) -> list[float]:
    try:
        Box(*corners)
    except ValueError as error:
        raise ValueError(f"{corners} is not inside the image; write 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1") from error
    return corners


def _all_different(regions: list[list[float]]) -> list[list[float]]:
    for number, corners in enumerate(regions):
        if (first := regions.index(corners)) != number:
            raise ValueError(f"regions {first + 1} and {number + 1} are the same; remove one")
    return regions


def _downwards(rows: list[int]) -> list[int]:
    if not rows:
        raise ValueError("names no row; leave the key out where the camera sees the location from its first row on")
    if any(lower <= upper for upper, lower in pairwise(rows)):
        raise ValueError(f"{rows} does not go from the top down; write each row once, the smallest number first")
    return rows


def _all_as_none(value: object) -> object:
    return None if value == "all" else value


def _moment(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("needs an offset, such as 2027-01-05T08:00:00+01:00")
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{value} is before all time; leave the key out where nothing is snoozed") from error


Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
"""Stores, locations and cameras: what an S3 key, a URL and a shell take without quotes."""
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_storable)]
"""Anything Postgres can keep: all but NUL."""
Whole = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]
Region = Annotated[list[float], Field(min_length=4, max_length=4), AfterValidator(_inside)]
"""x0, y0, x1, y1 in fractions of the image."""
Least1 = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]
Row = Annotated[int, Field(strict=True, ge=1, le=1000)]
"""A shelf row of a location, 1 at the top."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PolicyModel(_Table):
    """Keys of a `policy` table; which of them are needed depends on where scopes meet."""

    reorder_point: Whole | None = None
    clear_point: Whole | None = None
    target_level: Whole | None = None
    pack_size: Least1 | None = None
    lead_time_days: Whole | None = None
    confirmations: Least1 | None = None
    depth: Least1 | None = None
    snooze_until: Annotated[datetime, Field(strict=True), AfterValidator(_moment)] | None = None
    level_source: Literal["camera", "book"] | None = None


class ScopeModel(_Table):
    policy: PolicyModel

    def rule(self, store: str | None = None, category: str | None = None, sku: str | None = None) -> Rule:
        return Rule(store, category, sku, self.policy.model_dump(mode="json", exclude_none=True))


class LocationModel(_Table):
    name: Text | None = None


class CameraModel(_Table):
    id: Code
    location: Code
    kind: Literal["product", "shelf"]
    keys: Annotated[Text, AfterValidator(_pattern)]
    expected_every: Annotated[timedelta, BeforeValidator(_interval)] | None = None
    records: Literal["received"] | None = None
    regions: Annotated[list[Region], AfterValidator(_all_different)] = []
    rows: Annotated[list[Row], AfterValidator(_downwards)] = []

    @model_validator(mode="after")
    def _fits_its_kind(self) -> CameraModel:
        if self.records is not None and self.kind != "product":
            raise ValueError('records = "received" is for kind "product": a shelf camera counts; remove records')
        if self.regions and self.kind != "shelf":
            raise ValueError('regions are for kind "shelf": a product photo shows one product; remove regions')
        if self.rows and self.kind != "shelf":
            raise ValueError('rows are for kind "shelf": a product photo shows one product; remove rows')
        return self

    def camera(self, store: str, position: int) -> Camera:
        # The codes go into the pattern at once: so each camera has a beginning of the key of its own.
        pattern = self.keys.replace("{store}", store).replace("{camera}", self.id)
        regions = tuple(Box(*corners) for corners in self.regions)
        seen = self.records, regions, self.expected_every
        return Camera(self.id, store, self.location, self.kind, pattern, *seen, position, tuple(self.rows))


class _Scopes(_Table):
    """The rules that may stand at the top of the file and in a store alike."""

    categories: dict[Text, ScopeModel] = {}
    products: dict[Text, ScopeModel] = {}

    def scoped_rules(self, store: str | None) -> list[Rule]:
        found = [scope.rule(store, category=name) for name, scope in self.categories.items()]
        return found + [scope.rule(store, sku=sku) for sku, scope in self.products.items()]


class StoreModel(_Scopes):
    name: Text
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    assortment: Annotated[list[Text] | None, BeforeValidator(_all_as_none)] = None
    alerts_per_hour: Whole | None = None
    keep_photos_days: Least1 | None = None
    policy: PolicyModel | None = None
    locations: dict[Code, LocationModel] = {}
    cameras: list[CameraModel] = []

    def store(self, code: str) -> Store:
        sold = None if self.assortment is None else frozenset(self.assortment)
        places = {place: model.name or place for place, model in self.locations.items()}
        return Store(code, self.name, self.timezone, sold, self.alerts_per_hour, self.keep_photos_days, places)

    def rules(self, code: str) -> list[Rule]:
        own = [] if self.policy is None else [ScopeModel(policy=self.policy).rule(code)]
        return own + self.scoped_rules(code)


class SiteModel(_Scopes):
    """The whole file."""

    defaults: ScopeModel | None = None
    stores: dict[Code, StoreModel] = {}

    def site(self) -> Site:
        return Site(
            tuple(model.store(code) for code, model in self.stores.items()),
            tuple(
                each.camera(code, position)
                for code, model in self.stores.items()
                for position, each in enumerate(model.cameras)
            ),
            tuple(rule for code, model in self.stores.items() for rule in model.rules(code) if rule.settings),
            self._common(),
        )

    def _common(self) -> tuple[Rule, ...] | None:
        if not self.model_fields_set & {"defaults", "categories", "products"}:
            return None
        defaults = [] if self.defaults is None else [self.defaults.rule()]
        return tuple(rule for rule in defaults + self.scoped_rules(None) if rule.settings)
