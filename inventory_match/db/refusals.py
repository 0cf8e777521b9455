"""What the database's own functions refuse, as errors of ours: their messages are written for people, so they stay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import Error
from sqlalchemy.exc import DBAPIError

from inventory_match.domain.errors import Conflict, InvalidInput, NotFound, Permanent

_MEANING: dict[str, type[Permanent]] = {
    "23503": NotFound,  # foreign_key_violation: a store, location or sku that does not exist
    "P0002": NotFound,  # no_data_found
    "23514": InvalidInput,  # check_violation: a number that makes no sense
    "22003": InvalidInput,  # numeric_value_out_of_range
    "55000": Conflict,  # object_not_in_prerequisite_state: a move the reorder's state does not allow
}


@contextmanager
def plain_refusals() -> Iterator[None]:
    """NotFound, InvalidInput or Conflict instead of what the driver raises; anything else goes on as it is."""
    try:
        yield
    except DBAPIError as error:
        told = error.orig
        meaning = _MEANING.get(told.sqlstate or "") if isinstance(told, Error) else None
        if meaning is None or not isinstance(told, Error):
            raise
        raise meaning(told.diag.message_primary or str(told)) from error
