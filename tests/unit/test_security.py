"""The list of threats in SECURITY.md names a test for each, and every one of them exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIST = ROOT / "SECURITY.md"
NAMED = (
    sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", LIST.read_text(encoding="utf-8")))) if LIST.exists() else []
)


def named_in(path: Path) -> set[str]:
    """Names of the tests in a file, those in classes included."""
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda part: part.rpartition("/")[2])
def test_a_test_named_for_a_threat_exists(file: str, name: str) -> None:
    path = ROOT / file
    assert path.is_file(), f"SECURITY.md names {file}"
    assert name in named_in(path), f"SECURITY.md names {file}::{name}"


def test_every_threat_has_one() -> None:
    rows = [line for line in LIST.read_text(encoding="utf-8").splitlines() if re.match(r"\| [^|*-]", line)]
    assert len(rows) > 30
    without = [row for row in rows[1:] if "`tests/" not in row and "make audit" not in row]
    assert without == []
    assert len(NAMED) > 50
