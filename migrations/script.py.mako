"""${message}

Compatibility rule: workers of the version before this one run while it is applied, and after it. So: add before you use,
stop using before you remove, never rename in one step; new columns are nullable or have a default; long index builds are
`concurrently`, in a migration of their own.

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
