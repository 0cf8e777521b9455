"""What running processes tell of themselves: their logs, gathered as JSON, and their health and metrics over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any


def lines(folder: Path) -> list[dict[str, Any]]:
    """Every line that any process logged into a file of this folder, in order of time; each must be JSON."""
    found = [json.loads(line) for path in folder.iterdir() for line in path.read_text().splitlines()]
    return sorted(found, key=lambda line: str(line["timestamp"]))


def ports(folder: Path) -> dict[str, int]:
    """Where each process said its endpoint is, by its role; the newest where several were started."""
    return {line["role"]: line["port"] for line in lines(folder) if line["event"] == "health and metrics"}


def get(port: int, path: str) -> tuple[int, str]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def figures(port: int) -> dict[str, float]:
    """The metrics by name and labels, as they are written."""
    return dict(_figures(get(port, "/metrics")[1]))


def _figures(text: str) -> Iterator[tuple[str, float]]:
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            yield name, float(value)
