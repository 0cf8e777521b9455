"""Review: what people answer where the catalog could not decide, and the views the inventory team reads it by.

Compatibility rule: see `script.py.mako`. The table is new; workers of the version before neither read nor write it.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"

_VIEWS = Path(__file__).parents[1] / "views"


def upgrade() -> None:
    _run("0004_review.sql")
    _run("0004_roles.sql")


def downgrade() -> None:
    _run("0004_down.sql")


def _run(name: str) -> None:
    # A bare cursor: the file is plain SQL of several statements, in which % and : are not parameters.
    op.get_bind().connection.cursor().execute((_VIEWS / name).read_text(encoding="utf-8"))
