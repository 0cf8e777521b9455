"""Switching encoders: where an encoder's file is kept, how far its re-embedding is, what failed, and when it was retired.

Compatibility rule: see `script.py.mako`. All columns are nullable, all tables new; workers of the version before go on with the
encoder they were started with, and refuse to settle once another one is active, so restart them before the first switch.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"

_VIEWS = Path(__file__).parents[1] / "views"


def upgrade() -> None:
    _run("0003_encoders.sql")
    _run("0003_roles.sql")


def downgrade() -> None:
    _run("0003_down.sql")


def _run(name: str) -> None:
    # A bare cursor: the file is plain SQL of several statements, in which % and : are not parameters.
    op.get_bind().connection.cursor().execute((_VIEWS / name).read_text(encoding="utf-8"))
