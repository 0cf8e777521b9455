"""Which line of a TOML text a key stands in: tomllib tells no positions, and a message without a line is a search.

The text is cut into statements by tomllib itself: lines are taken until they parse, so that strings and arrays over several
lines, quoted keys and comments need no lexer of our own.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from inventory_match.domain.rules import Key


class TomlLines:
    """Lines of the keys in a text that tomllib has accepted; elements of an array of tables count from 0."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Key, int] = {}
        self._elements: dict[Key, int] = {}
        table: Key = ()
        for number, statement in _statements(text.replace("\r\n", "\n")):
            path = _path(tomllib.loads(statement))
            if statement.lstrip().startswith("["):
                path = table = self._resolved(path, opens_element=statement.lstrip().startswith("[["))
            else:
                path = (*table, *path)
            for length in range(1, len(path)):
                self._lines.setdefault(path[:length], number)
            self._lines[path] = number

    def line(self, key: Key) -> int | None:
        """The line of the key, else of what is nearest around it; None where nothing of it is written."""
        known = (self._lines.get(key[:length]) for length in range(len(key), 0, -1))
        return next((line for line in known if line is not None), None)

    def _resolved(self, path: Key, *, opens_element: bool) -> Key:
        """`stores.s1.cameras` becomes `stores.s1.cameras.2` where that is the element being written."""
        if opens_element:
            self._elements[path] = self._elements.get(path, 0) + 1
        resolved: Key = ()
        for length, part in enumerate(path, 1):
            resolved = (*resolved, part)
            if count := self._elements.get(path[:length]):
                resolved = (*resolved, count - 1)
        return resolved


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """(line, statement) of every header and every key."""
    start, pending = 1, ""
    for number, line in enumerate(text.split("\n"), 1):
        pending = f"{pending}\n{line}" if pending else line
        try:
            found = tomllib.loads(pending)
        except tomllib.TOMLDecodeError:
            continue
        if found:
            yield start, pending
        start, pending = number + 1, ""


def _path(found: Mapping[str, Any]) -> Key:
    """The keys from the root to the first value that is not a table of one key."""
    path: Key = ()
    value: Any = found
    while isinstance(value, dict) and len(value) == 1:
        ((name, value),) = value.items()
        path = (*path, name)
    return path
