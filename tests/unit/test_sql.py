"""SQL takes values as parameters only. Texts that are put together in code are few, listed here, and each is explained."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("inventory_match", "workers", "migrations")

PUT_TOGETHER = {
    # Fragments of our own text, chosen in code; the encoder's id and dimension, which the database holds as bigints.
    "inventory_match/db/catalog/nearest.py": "the distance of the metric, the filter of the assortment, an encoder's numbers",
    "inventory_match/db/catalog/references.py": "the distance of the metric, and whether each product speaks once",
    "inventory_match/db/catalog/index.py": "names of indexes made of a bigint, the method out of two, numbers of rows",
    "inventory_match/db/catalog/builds.py": "one condition that two statements share",
    "inventory_match/db/reorders.py": "the name of one of our functions, written at each of its callers",
    "inventory_match/db/catalog/products.py": "a list of columns, a constant",
    "migrations/env.py": "the name of our schema, a constant",
    "inventory_match/db/migrate.py": "the name of our schema, a constant",
    "inventory_match/db/scratch.py": "a name drawn at random for a database of our own",
    "inventory_match/embedded/postgres.py": "the name of the embedded database, a constant",
    "inventory_match/learning/evaluate.py": "the operator of the metric, out of two",
}
SQL = re.compile(
    r"\s*(select\b|insert into|update\s+\S+\s+set|delete from|create\s+(table|index|database|role|unique|schema|temp|or)"
    r"|drop\s|alter\s|set\s+(local\s+)?\w+\s*=|truncate\s|grant\s|copy\s+\S+\s|with\s+\w+\s+as\s*\()"
)


def is_sql(begins: str) -> bool:
    """Our own SQL is in lower case; a sentence for people begins with one capital."""
    first = begins.split(maxsplit=1)[:1]
    return bool(SQL.match(begins.lower() if first and first[0].isupper() else begins))


def beginnings(node: ast.expr) -> str:
    """The constant text an expression begins with, or holds anywhere in the case of a format."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp):
        return beginnings(node.left)
    return ""


def put_together(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and beginning of every SQL text that holds more than constants."""
    for node in ast.walk(tree):
        built: ast.expr | None = None
        if isinstance(node, ast.JoinedStr) and any(isinstance(part, ast.FormattedValue) for part in node.values):
            built = node
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
            built = node.left
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("format", "join")
        ):
            built = node.func.value
        if built is not None and is_sql(begins := beginnings(built)):
            yield built.lineno, begins


def handed_over(tree: ast.AST) -> Iterator[int]:
    """Lines where something that is neither a constant nor a name of one is handed over as SQL."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and node.args):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in ("text", "exec_driver_sql") and isinstance(node.args[0], ast.JoinedStr | ast.BinOp | ast.Call):
            yield node.lineno


def test_sql_is_put_together_only_where_it_is_explained() -> None:
    found = {}
    for path in sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if seen := [*put_together(tree), *handed_over(tree)]:
            found[str(path.relative_to(ROOT))] = seen
    assert {name: seen for name, seen in found.items() if name not in PUT_TOGETHER} == {}
    assert set(PUT_TOGETHER) - set(found) == set(), "no longer needed in the list"


@pytest.mark.parametrize(
    "code",
    [
        "text(f\"select * from t where key = '{key}'\")",
        "\"select * from t where key = '%s'\" % key",
        '"DELETE FROM t WHERE key = " + key',
        '"update t set a = {}".format(a)',
        'session.execute(text(" ".join(parts)))',
        "connection.exec_driver_sql(template.format(key))",
    ],
)
def test_the_walk_sees_what_it_is_to_see(code: str) -> None:
    tree = ast.parse(code)
    assert [*put_together(tree), *handed_over(tree)]
