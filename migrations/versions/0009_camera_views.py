"""The usual view of each shelf camera, by which one that was moved or covered is noticed.

Compatibility rule: see `script.py.mako`. The table is new; workers of the version before neither read nor write it.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0009"
down_revision = "0008"

_VIEWS = Path(__file__).parents[1] / "views"


def upgrade() -> None:
    _run("0009_camera_views.sql")


def downgrade() -> None:
    _run("0009_down.sql")


def _run(name: str) -> None:
    # A bare cursor: the file is plain SQL of several statements, in which % and : are not parameters.
    op.get_bind().connection.cursor().execute((_VIEWS / name).read_text(encoding="utf-8"))
