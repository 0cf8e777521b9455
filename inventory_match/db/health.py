"""What `doctor` asks the database: versions, whether the roles can do their work, whether photos are stuck."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, func, select, text
from sqlalchemy.orm import Session

from .models import Photo
from .photos import WAITING

_ABLE = {
    "inventory_reader": text(
        "select has_table_privilege(oid, to_regclass('inventory_match.stock_on_hand'), 'select')"
        " from pg_roles where rolname = 'inventory_reader'"
    ),
    "inventory_writer": text(
        "select has_function_privilege(oid, to_regproc('inventory_match.record_movement')::oid, 'execute')"
        " from pg_roles where rolname = 'inventory_writer'"
    ),
}


def server_version(connection: Connection) -> tuple[int, str]:
    """Major version, and the version as the server writes it."""
    number = int(connection.execute(text("show server_version_num")).scalar_one())
    return number // 10_000, str(connection.execute(text("show server_version")).scalar_one())


def pgvector_version(connection: Connection) -> str | None:
    """None where the extension is not installed in this database."""
    found = connection.execute(text("select extversion from pg_extension where extname = 'vector'")).scalar()
    return None if found is None else str(found)


def unable_roles(connection: Connection) -> list[str]:
    """Our roles that are missing, or lack what they are for."""
    return [role for role, able in _ABLE.items() if not connection.execute(able).scalar()]


def stuck_photos(session: Session, older_than: timedelta) -> int:
    """Photos that have waited longer than this and are not finished."""
    late = Photo.state.in_(WAITING) & (Photo.registered_at < func.now() - older_than)
    return session.scalar(select(func.count()).select_from(Photo).where(late)) or 0
