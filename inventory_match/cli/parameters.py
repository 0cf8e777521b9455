"""What several commands take and show: moments, durations, pictures to write, and who is at the keyboard."""

from __future__ import annotations

import getpass
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

_PICTURES = (".png", ".jpg", ".jpeg")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(value: str) -> datetime:
    """For an option: an ISO 8601 time; without a zone it stays naive, for the store to say where it is."""
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:
        cure = "write 2026-11-23T08:30, with a zone (+01:00 or Z) if not the store's"
        raise click.BadParameter(f"{value!r} is no time; {cure}") from error


def duration(value: str) -> timedelta:
    """For an option: a number and its unit, 90s, 15m, 24h or 7d."""
    found = re.fullmatch(r"(\d{1,6})([smhd])", value)
    if found is None:
        raise click.BadParameter(f"{value!r} is no duration; write 90s, 15m, 24h or 7d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def past(value: str) -> datetime:
    """For an option: an ISO 8601 time, UTC where it names no zone, or how long ago (2h, 3d)."""
    if re.fullmatch(r"\d+[a-z]", value):
        try:
            return now() - duration(value)
        except OverflowError as error:
            raise click.BadParameter(f"{value!r} ago is before the year 1; write less, or a time") from error
    try:
        at = datetime.fromisoformat(value)
    except ValueError as error:
        cure = "write 2026-03-01T00:00 (UTC, or with a zone), or how long ago: 2h, 3d"
        raise click.BadParameter(f"{value!r} is no time; {cure}") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def picture(value: str) -> Path:
    """For an option: where a picture is to be written; told before it is drawn."""
    path = Path(value)
    if path.suffix.lower() not in _PICTURES:
        raise click.BadParameter(f"{value!r} is no picture; write {' or '.join(_PICTURES)} at its end")
    return new_file(value)


def new_file(value: str) -> Path:
    """For an option: a file to be written; told before the work whose result it is to hold."""
    path = Path(value)
    if path.is_dir() or not path.parent.is_dir():
        raise click.BadParameter(f"{value!r} cannot be written; name a file in a folder that is there")
    return path


def who() -> str:
    """The name of the person (or account) at the keyboard, as the ledger keeps it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container without an entry for its user
        return "unknown"


def now() -> datetime:
    return datetime.now(UTC)


def brief(moment: datetime | None) -> str | None:
    """A moment in a table: to the second, in UTC."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def short(span: timedelta | None) -> str | None:
    """A span in a table, in its largest unit: 42 s, 5 min, 3 h, 12 d."""
    if span is None:
        return None
    seconds = span.total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if abs(seconds) >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
