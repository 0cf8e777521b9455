"""Operations: when each chore last ran, and what a photo that is not done is waiting for.

Compatibility rule: see `script.py.mako`. The table is new and the view gains a last column; workers of
the version before read and write neither.

What it holds up: the index of `message`, which is built last and not `concurrently`: one reading of a table of small rows,
hardly any of which is in it. From there to the commit, which only the functions of 0006 come before, `emit_message` of a
worker waits, and goes on; past its lock timeout of 10 s (millions of messages, on a slow disk) it tries again, as after any
outage. Where somebody else holds the table for longer than 5 s, the migration gives up and changes nothing.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"

_VIEWS = Path(__file__).parents[1] / "views"


def upgrade() -> None:
    _run("0005_operations.sql")


def downgrade() -> None:
    _run("0005_down.sql")


def _run(name: str) -> None:
    # A bare cursor: the file is plain SQL of several statements, in which % and : are not parameters.
    op.get_bind().connection.cursor().execute((_VIEWS / name).read_text(encoding="utf-8"))
