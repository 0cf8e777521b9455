"""What applying a site would change: two sites compared, entry by entry and key by key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .rules import Rule
from .site import Site

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One entry that is `created`, `changed` or `removed`; before and after hold the keys that differ."""

    kind: str
    name: str
    what: str
    before: Values
    after: Values


def changes(before: Site, after: Site) -> list[Change]:
    """In the order in which they are applied; empty where both say the same."""
    old, new = dict(_entries(before)), dict(_entries(after))
    found = []
    for (kind, name), values in new.items():
        if (kind, name) not in old:
            found.append(Change(kind, name, "created", {}, values))
        elif values != (was := old[kind, name]):
            keys = [key for key in {**was, **values} if was.get(key) != values.get(key)]
            found.append(
                Change(
                    kind, name, "changed", {key: was.get(key) for key in keys}, {key: values.get(key) for key in keys}
                )
            )
    gone = [
        Change(kind, name, "removed", values, {}) for (kind, name), values in old.items() if (kind, name) not in new
    ]
    return found + gone


def _entries(site: Site) -> Iterator[tuple[tuple[str, str], Values]]:
    for store in site.stores:
        values = asdict(store)
        del values["store"], values["locations"]
        yield ("store", store.store), values
    for store in site.stores:
        for location, name in store.locations.items():
            yield ("location", f"{store.store}/{location}"), {"name": name}
    for camera in site.cameras:
        values = asdict(camera)
        del values["camera"], values["position"]
        yield ("camera", camera.camera), values
    for rule in site.all_rules:
        yield ("policy", scope_name(rule)), dict(rule.settings)


def scope_name(rule: Rule) -> str:
    """`default`, or what the rule is for: `store s1, category juice`."""
    named = zip(("store", "category", "product"), rule.scope, strict=True)
    return ", ".join(f"{kind} {name}" for kind, name in named if name is not None) or "default"
