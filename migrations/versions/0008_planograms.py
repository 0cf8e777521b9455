"""What should be there: planograms, a verdict for every expected facing, brands, and what was known of a shelf beforehand.

Compatibility rule: see `script.py.mako`. Tables and views are new, new columns are nullable, `sighting_log` gains last columns.
Workers of the version before write no verdicts and know nothing beforehand.

What it holds up: the index of `shelf_facing` is not built `concurrently`; version 0007 made that table, and where both come at
once it is empty.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"

_VIEWS = Path(__file__).parents[1] / "views"


def upgrade() -> None:
    _run("0008_planograms.sql")
    _run("0008_shelves.sql")
    _run("0008_roles.sql")


def downgrade() -> None:
    _run("0008_down.sql")


def _run(name: str) -> None:
    # A bare cursor: the file is plain SQL of several statements, in which % and : are not parameters.
    op.get_bind().connection.cursor().execute((_VIEWS / name).read_text(encoding="utf-8"))
