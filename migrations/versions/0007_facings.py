"""Facings: what stands where on a shelf, the places a detecting camera remembers, several shelf cameras at one location.

Compatibility rule: see `script.py.mako`. Tables and views are new, columns have defaults, and the index that allowed one shelf
camera a location goes. Workers of the version before write no facings; where a location has one camera, that is all they miss.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"

_VIEWS = Path(__file__).parents[1] / "views"


def upgrade() -> None:
    _run("0007_facings.sql")
    _run("0007_roles.sql")


def downgrade() -> None:
    _run("0007_down.sql")


def _run(name: str) -> None:
    # A bare cursor: the file is plain SQL of several statements, in which % and : are not parameters.
    op.get_bind().connection.cursor().execute((_VIEWS / name).read_text(encoding="utf-8"))
