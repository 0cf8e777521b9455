"""The facing of the same photo that an open crop was decided by, because it looks the same.

Compatibility rule: see `script.py.mako`. The column is nullable; workers of the version before leave it empty.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    # {sku, similarity, known_by}; null where the crop was decided without one
    op.execute("alter table inventory_match.sighting add column sibling jsonb")


def downgrade() -> None:
    op.execute("alter table inventory_match.sighting drop column sibling")
