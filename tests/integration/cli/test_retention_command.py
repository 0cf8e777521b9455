"""Retention by command: what would go is counted before it goes, and what is kept for ever is said."""

from __future__ import annotations

from inventory_match.bootstrap import App
from inventory_match.db import photos

from .conftest import Run


def test_a_dry_run_counts_and_changes_nothing(app: App, run: Run) -> None:
    with app.unit_of_work() as session:
        photos.record_rejected(session, "m1", "no json", "not JSON")
        session.connection().exec_driver_sql(
            "update inventory_match.rejected_message set received_at = now() - interval '8 days'"
        )
    kept = run("retention", "run", "--dry-run").output
    assert "queue messages" not in kept
    assert "kept for ever: INVENTORY_MATCH_KEEP_PHOTOS_DAYS, INVENTORY_MATCH_KEEP_SIGHTINGS_DAYS" in kept
    for command, left in ((["--dry-run"], 1), ([], 0)):
        output = run("retention", "run", *command, keep_messages_days="7").output
        [line] = [line for line in output.splitlines() if line.startswith("│ queue messages that could not")]
        assert line.rstrip("│ ").endswith("1")
        with app.unit_of_work() as session:
            assert len(photos.rejected(session, 9)) == left
    assert "What went" in run("retention", "run", keep_messages_days="7").output
