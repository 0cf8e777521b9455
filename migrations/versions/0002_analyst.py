"""What people and other systems' SQL meet: documented views, functions, the outbox, the reorder's moves, and two roles.

Compatibility rule: see `script.py.mako`. Everything here is new; the workers before it use none of it.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import logging
from pathlib import Path

from alembic import op
from psycopg.errors import Diagnostic

revision = "0002"
down_revision = "0001"

_VIEWS = Path(__file__).parents[1] / "views"
_log = logging.getLogger("alembic.runtime.migration")


def upgrade() -> None:
    for part in ("stock", "photos", "outbox", "reorder", "similar", "roles"):
        _run(f"0002_{part}.sql")


def downgrade() -> None:
    _run("0002_down.sql")


def _run(name: str) -> None:
    # A bare cursor: the file is plain SQL of several statements, in which % and : are not parameters.
    connection = op.get_bind().connection
    connection.add_notice_handler(_tell)
    connection.cursor().execute((_VIEWS / name).read_text(encoding="utf-8"))
    connection.remove_notice_handler(_tell)


def _tell(notice: Diagnostic) -> None:
    _log.warning("%s", notice.message_primary)
