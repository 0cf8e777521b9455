"""Tables, the append-only ledger, and the core functions and views the workers themselves read.

Compatibility rule: see `script.py.mako`. This is the first version, so nothing runs before it.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None

_HERE = Path(__file__).parent


def upgrade() -> None:
    op.execute("create extension if not exists vector")
    _run("0001_tables.sql")
    _run("0001_core.sql")


def downgrade() -> None:
    _run("0001_down.sql")


def _run(name: str) -> None:
    # A bare cursor: the file is plain SQL of several statements, in which % and : are not parameters.
    op.get_bind().connection.cursor().execute((_HERE / name).read_text(encoding="utf-8"))
