"""Bounds for what other systems may book, and how they may move reorders: units, times and the length of texts.

Compatibility rule: see `script.py.mako`. The functions refuse more; workers of the version before book no such thing.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"

_VIEWS = Path(__file__).parents[1] / "views"


def upgrade() -> None:
    _run("0006_bounds.sql")


def downgrade() -> None:
    _run("0006_down.sql")


def _run(name: str) -> None:
    # A bare cursor: the file is plain SQL of several statements, in which % and : are not parameters.
    op.get_bind().connection.cursor().execute((_VIEWS / name).read_text(encoding="utf-8"))
