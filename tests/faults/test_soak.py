"""The promise, kept in a storm: 200 photos, killed workers, restarted servers, a lying S3, a moody receiver.

The long run (2,000 photos, ten seeds) and the same storm over a plain Celery task stand in BENCHMARKS.md with their commands.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from inventory_match.soak.acts import make_acts
from inventory_match.soak.run import soak
from inventory_match.soak.subject import Product

PHOTOS, SEED = 200, 1


@pytest.mark.timeout(600)
def test_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    report = soak(PHOTOS, SEED, Product(), tmp_path)

    assert report.complaints == [], report.as_json()
    assert (report.photos, report.terminal, report.lost) == (PHOTOS, PHOTOS, 0)
    assert report.alerts_received == report.alert_ids_distinct == report.alerts_expected > 0
    # And it was a storm: most of what the saboteur meant to do was done (where nobody came by in time, it lets be), and met.
    assert sum(report.sabotage.values()) > 0.6 * len(make_acts(PHOTOS, SEED)), report.sabotage
    assert report.states["rejected"] > 0
    assert report.found_by_scan > 0
    assert sum(report.s3_troubles.values()) > 20
    assert sum(report.receiver.values()) > report.receiver["204"]
