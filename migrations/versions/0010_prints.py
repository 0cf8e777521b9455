"""What the print of a pack said, beside the similarities a sighting was decided by.

Compatibility rule: see `script.py.mako`. The column is nullable; workers of the version before leave it empty.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    # {sku, matches, agreement, rival, rival_share}; null where no print was seen, or nobody looked for one
    op.execute("alter table inventory_match.sighting add column printed jsonb")


def downgrade() -> None:
    op.execute("alter table inventory_match.sighting drop column printed")
