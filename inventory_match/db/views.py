"""Reads the documented views: what the command line shows is what the inventory team sees in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, column, select, table
from sqlalchemy.orm import Session

from .models import SCHEMA


def read(
    session: Session,
    view: str,
    columns: Sequence[str],
    *,
    newest_by: str = "",
    limit: int | None = None,
    **where: object,
) -> Sequence[Row[Any]]:
    """Rows of a view in order of its first column shown, or newest first by `newest_by`; a condition of None is none."""
    wanted = {name: value for name, value in where.items() if value is not None}
    names = dict.fromkeys([*columns, *wanted, newest_by or columns[0]])
    source = table(view, *(column(name) for name in names), schema=SCHEMA)
    statement = select(*(source.c[name] for name in columns))
    for name, value in wanted.items():
        statement = statement.where(source.c[name] == value)
    order = [source.c[newest_by].desc()] if newest_by else [source.c[name] for name in columns[:3]]
    return session.execute(statement.order_by(*order).limit(limit)).all()
