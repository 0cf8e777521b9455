"""The site: what is watched, and when to care. Plain records, the routing of keys to cameras, and what makes no sense.

A site is read from a file (`site_file`) or from the database (`db.site`). `problems` judges one as a whole, because most
mistakes lie between two entries, such as two cameras that claim the same key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from .photos import Box, KeyMatch, KeyPattern, may_share_a_key
from .rules import Key, Problem, Rule, rule_problems


@dataclass(frozen=True, slots=True)
class Camera:
    """What watches a location. `kind` is `product` or `shelf`; `position` is its place in the file, for messages only.

    A shelf camera without `regions` finds facings by itself. `rows`: which shelf rows of the location it sees, see `row`.
    """

    camera: str
    store: str
    location: str
    kind: str
    key_pattern: str
    records: str | None = None
    regions: tuple[Box, ...] = ()
    expected_interval: timedelta | None = None
    position: int = field(default=0, compare=False)
    rows: tuple[int, ...] = ()

    @property
    def spelt_pattern(self) -> str:
        """The pattern with the camera's own codes in it."""
        return self.key_pattern.replace("{store}", self.store).replace("{camera}", self.camera)

    @property
    def literal_prefix(self) -> str:
        """The beginning that every key of the camera has: the pattern up to its first field that is not its own code."""
        return self.spelt_pattern.partition("{")[0]

    def key(self, *rest: str) -> Key:
        """Where the site file says it."""
        return ("stores", self.store, "cameras", self.position, *rest)


Cameras = Sequence[Camera]


@dataclass(frozen=True, slots=True)
class Store:
    """A shop. `assortment` None: every active product is sold here. `locations`: code to name."""

    store: str
    name: str
    timezone: str = "UTC"
    assortment: frozenset[str] | None = None
    alerts_per_hour: int | None = None
    keep_photos_days: int | None = None
    locations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Site:
    """Stores, their cameras and rules. `common` are the rules of no single store; None: nothing is said about them."""

    stores: tuple[Store, ...] = ()
    cameras: tuple[Camera, ...] = ()
    rules: tuple[Rule, ...] = ()
    common: tuple[Rule, ...] | None = None

    @property
    def all_rules(self) -> tuple[Rule, ...]:
        return (self.common or ()) + self.rules

    def beside(self, kept: Site) -> Site:
        """This site and what the database keeps beside it: `kept` must not hold what this one describes."""
        common = kept.common if self.common is None else self.common
        return Site(kept.stores + self.stores, kept.cameras + self.cameras, kept.rules + self.rules, common)


def route(cameras: Iterable[Camera], key: str) -> tuple[Camera, KeyMatch] | None:
    """The camera with the longest literal prefix among those whose pattern fits the key, and what the key tells of it."""
    claims = (camera for camera in cameras if key.startswith(camera.literal_prefix))
    for camera in sorted(claims, key=lambda each: len(each.literal_prefix), reverse=True):
        match = KeyPattern(camera.key_pattern).match(key, store=camera.store, camera=camera.camera)
        if match is not None:
            return camera, match
    return None


def problems(site: Site, categories: Mapping[str, str | None] | None = None) -> list[Problem]:
    """All that makes no sense in a site. `categories`: sku to category, as far as the catalog is known.

    Rules are judged only where the common ones are known, because a store's may be complete only together with them.
    """
    rules = [] if site.common is None else rule_problems(site.all_rules, categories or {})
    return [*_camera_problems(site), *rules]


def _camera_problems(site: Site) -> Iterator[Problem]:
    places = {store.store: store.locations for store in site.stores}
    ids: dict[str, Camera] = {}
    prefixes: dict[str, list[Camera]] = {}
    for camera in site.cameras:
        if camera.location not in places[camera.store]:
            yield _no_location(camera, sorted(places[camera.store]))
        if (other := ids.setdefault(camera.camera, camera)) is not camera:
            taken = f"camera id {camera.camera!r} is taken in store {other.store!r}"
            yield Problem(camera.key("id"), taken, "ids are unique over all stores")
        # Of two that begin alike neither goes first, so no key may fit both.
        alike = prefixes.setdefault(camera.literal_prefix, [])
        for other in alike:
            if may_share_a_key(other.spelt_pattern, camera.spelt_pattern):
                claimed = f"keys that begin with {camera.literal_prefix!r} are claimed by camera {other.camera!r} too"
                yield Problem(camera.key("keys"), claimed, "put something of its own into each, such as {camera}")
                break
        alike.append(camera)


def _no_location(camera: Camera, known: list[str]) -> Problem:
    cure = f"add [stores.{camera.store}.locations.{camera.location}], or use one of: {', '.join(known) or 'none yet'}"
    return Problem(camera.key("location"), f"store {camera.store!r} has no location {camera.location!r}", cure)
