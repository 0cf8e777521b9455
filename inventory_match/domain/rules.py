"""Rules of the stock policy: what they say where several scopes meet, and where that makes no sense.

SQL merges them (`effective_policy`): default < category < store < store+category < product < store+product, key by key. Here
the same merging finds mistakes before they are applied, because a clear point that is right in its own scope may be below
the reorder point of another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from .reorder import Policy

Key = tuple[str | int, ...]
"""A dotted key of the site file: ("stores", "s1", "cameras", 0, "keys")."""
Scope = tuple[str | None, str | None, str | None]
"""Store, category, sku; None means every."""

_POINTS = ("reorder_point", "clear_point", "target_level")
_JUDGED_TOGETHER = {"clear_point": ("clear_point", "reorder_point"), "target_level": ("target_level", "clear_point")}
_ONLY_FOR_ORDERS = ("pack_size", "lead_time_days", "snooze_until")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that makes no sense, at a key of the site file, and how to mend it."""

    key: Key
    problem: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """Policy settings of one scope, as JSON knows them."""

    store: str | None
    category: str | None
    sku: str | None
    settings: Mapping[str, str | int]

    @property
    def scope(self) -> Scope:
        return self.store, self.category, self.sku

    @property
    def rank(self) -> int:
        """The higher one wins; the same figures as in SQL."""
        return (self.sku is not None) * 4 + (self.store is not None) * 2 + (self.category is not None)

    def applies(self, scope: Scope) -> bool:
        return all(mine is None or mine == asked for mine, asked in zip(self.scope, scope, strict=True))

    def key(self, *rest: str) -> Key:
        """Where the site file says it."""
        parts = [] if self.store is None else ["stores", self.store]
        parts += [] if self.category is None else ["categories", self.category]
        parts += [] if self.sku is None else ["products", self.sku]
        return (*(parts or ["defaults"]), "policy", *rest)


def rule_problems(rules: Sequence[Rule], categories: Mapping[str, str | None]) -> list[Problem]:
    """One problem a key, in every scope where rules meet. `categories`: sku to category, as far as they are known."""
    found: dict[Key, Problem] = {}
    for scope in _scopes(rules, categories):
        chain = sorted((rule for rule in rules if rule.applies(scope)), key=lambda rule: rule.rank)
        if chain and (problem := _merged_problem(chain, scope)):
            found.setdefault(problem.key, problem)
    return list(found.values())


def _scopes(rules: Sequence[Rule], categories: Mapping[str, str | None]) -> Iterator[Scope]:
    """Every store, category and product in which rules meet, the general ones first."""
    stores = [None, *sorted({rule.store for rule in rules if rule.store is not None})]
    names = [None, *sorted({rule.category for rule in rules if rule.category is not None})]
    skus = sorted({rule.sku for rule in rules if rule.sku is not None})
    yield from ((store, category, None) for store, category in product(stores, names))
    yield from ((store, categories.get(sku), sku) for store, sku in product(stores, skus))


def _merged_problem(chain: Sequence[Rule], scope: Scope) -> Problem | None:
    merged = {key: value for rule in chain for key, value in rule.settings.items()}
    given = [key for key in _POINTS if key in merged]
    if not given:
        return _without_effect(chain[-1])
    if len(given) < len(_POINTS):
        missing = " and ".join(key for key in _POINTS if key not in merged)
        cure = f"set {missing} here or in a more general scope"
        return Problem(_last_word(chain, given).key(), f"{missing} missing{_where(chain, scope)}", cure)
    numbers: dict[str, Any] = {key: value for key, value in merged.items() if isinstance(value, int)}
    complaint = Policy(**numbers).complaint()
    if complaint is None:
        return None
    key, why = complaint
    blamed = _last_word(chain, together := _JUDGED_TOGETHER.get(key, (key,)))
    named = next(each for each in together if each in blamed.settings)
    return Problem(blamed.key(named), f"{key} {merged[key]} {why}{_where(chain, scope)}")


def _without_effect(rule: Rule) -> Problem | None:
    """Without points nothing is ordered, and depth, confirmations and level_source serve the counting alone."""
    orphan = next((key for key in _ONLY_FOR_ORDERS if key in rule.settings), None)
    if rule.sku is None or orphan is None:
        return None
    return Problem(rule.key(orphan), "has no effect without points to order by", f"set {', '.join(_POINTS)} too")


def _last_word(chain: Sequence[Rule], keys: Sequence[str]) -> Rule:
    return next(rule for rule in reversed(chain) if any(key in rule.settings for key in keys))


def _where(chain: Sequence[Rule], scope: Scope) -> str:
    if len(chain) < 2:
        return ""
    named = zip(("store", "category", "product"), scope, strict=True)
    asked = ", ".join(f"{kind} {name}" for kind, name in named if name is not None)
    return f", merged for {asked}"
