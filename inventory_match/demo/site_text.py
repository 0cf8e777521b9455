"""The day's site.toml: one store, two locations, two shelf cameras that find facings for themselves, the script's policies."""

from __future__ import annotations

from inventory_match.demo.day import CONFIRMATIONS, DEFAULT_RULE, STORE, Day, Rule, ShelfCamera


def site_toml(day: Day) -> str:
    """Text for `inventory-match site apply`."""
    special = [(sku, rule) for sku, rule in day.rules.items() if rule != DEFAULT_RULE]
    parts = [
        f"[defaults.policy]\n{_rule(DEFAULT_RULE)}confirmations = {CONFIRMATIONS}\n",
        f'[stores.{STORE}]\nname = "Demo store"\ntimezone = "UTC"\n',
        *(f"[stores.{STORE}.products.{sku}.policy]\n{_rule(rule)}" for sku, rule in special),
        *(f'[stores.{STORE}.locations.{c.code}]\nname = "{_title(c.code)}"\n' for c in day.cameras),
        *(_camera(camera) for camera in day.cameras),
    ]
    return "\n".join(parts)


def _title(code: str) -> str:
    return code.replace("-", " ").capitalize()


def _camera(camera: ShelfCamera) -> str:
    return (
        f'[[stores.{STORE}.cameras]]\nid = "{camera.code}"\nlocation = "{camera.code}"\nkind = "shelf"\n'
        f'keys = "{STORE}/{camera.code}/{{captured_at}}.jpg"\n'
    )


def _rule(rule: Rule) -> str:
    return (
        f"reorder_point = {rule.reorder_point}\nclear_point = {rule.clear_point}\n"
        f"target_level = {rule.target_level}\npack_size = {rule.pack_size}\n"
    )
