"""Looks at everything the product depends on, one small check each, and says how to mend what is wrong.

`reports` says what is looked at for whom: `doctor`, `doctor --live`, `/readyz`.
"""

from __future__ import annotations

from inventory_match.bootstrap import App
from inventory_match.checkup.chains import Check, Checkup, Found, Step, Verdict
from inventory_match.checkup.reports import ALL, LIVE, READY, READY_TO_SEE, READY_TO_TAKE_IN
from inventory_match.checkup.services import QUEUES, queues_served

__all__ = [
    "ALL", "LIVE", "QUEUES", "READY", "READY_TO_SEE", "READY_TO_TAKE_IN", "Check", "Checkup", "Found", "Step", "Verdict",
    "check_all", "queues_served",
]  # fmt: skip


def check_all(app: App) -> list[Check]:
    """Everything `doctor` looks at, once."""
    return Checkup(app, ALL).checks()
