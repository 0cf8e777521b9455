"""Applies a site file: judged together with what the database keeps, written as a difference, and then the photos that
had no camera so far are sent on their way.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from inventory_match import intake
from inventory_match.db import site, site_apply
from inventory_match.domain.site import problems

if TYPE_CHECKING:
    from inventory_match.db.engine import UnitOfWork
    from inventory_match.domain.site_changes import Change
    from inventory_match.ports import Kicker
    from inventory_match.site_file import SiteFile


@dataclass(frozen=True, slots=True)
class Applied:
    """What changed (or would), what may be a mistake, and the photos that found their camera."""

    changes: list[Change]
    warnings: list[str]
    rerouted: list[int]


def apply_site(
    unit_of_work: UnitOfWork, kicker: Kicker, file: SiteFile, now: datetime, *, dry_run: bool = False
) -> Applied:
    """One transaction: a mistake, told with its line as InvalidInput, changes nothing."""
    with unit_of_work() as session:
        site.hold(session)
        whole = file.site.beside(site_apply.kept(session, file.site))
        ruled = {rule.sku for rule in whole.all_rules if rule.sku is not None}
        file.refuse(problems(whole, site_apply.categories(session, ruled)))
        changes = site_apply.apply(session, file.site, dry_run=dry_run)
        warnings = site_apply.warnings(session, file.site)
        rerouted = [] if dry_run else site.reroute_unrouted(session, now)
    intake.kick_all(kicker, rerouted)
    return Applied(changes, warnings, rerouted)
