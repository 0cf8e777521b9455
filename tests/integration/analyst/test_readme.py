"""Every SQL example of README.md that shows its output is run, by the reader's role, and gives that very output.

An example is a ```sql block followed by a ```text block. They run through psql on `readme_seed.sql`, and each documented
view and function must have one.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text

from inventory_match.embedded.machine import Machine
from inventory_match.embedded.postgres import programs

from ..conftest import fresh_database

README = Path(__file__).parents[3] / "README.md"
SEED = Path(__file__).with_name("readme_seed.sql")
EXAMPLE = re.compile(r"^```sql\n([^`]*)^```\n+```text\n([^`]*)^```$", re.MULTILINE)


def examples() -> list[tuple[str, str]]:
    """Statement and output of each example; none where there is no README."""
    return EXAMPLE.findall(README.read_text(encoding="utf-8")) if README.exists() else []


def psql(url: str, *arguments: str) -> str:
    """What psql prints, in UTC, with the spaces that pad its lines cut off."""
    target = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    ended = subprocess.run(
        [programs() / "psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", target, *arguments],
        env=os.environ | {"PGTZ": "UTC", "PGCLIENTENCODING": "UTF8"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return "\n".join(line.rstrip() for line in ended.stdout.strip("\n").splitlines())


@pytest.fixture(scope="module")
def seeded(machine: Machine, template: str) -> Iterator[str]:
    with fresh_database(machine.dsn, template) as url:
        psql(url, "--file", str(SEED))
        yield url


@pytest.mark.parametrize(("statement", "shown"), examples(), ids=lambda block: " ".join(block.split())[:60])
def test_an_example_gives_the_output_it_shows(seeded: str, statement: str, shown: str) -> None:
    expected = "\n".join(line.rstrip() for line in shown.strip("\n").splitlines())
    assert psql(seeded, "--command", "set role inventory_reader", "--command", statement) == expected


def test_every_documented_view_and_function_has_an_example(engine: Engine) -> None:
    with engine.connect() as connection:
        documented = connection.scalars(
            text(
                "select relname from pg_class where relnamespace = 'inventory_match'::regnamespace"
                " and has_table_privilege('inventory_reader', oid, 'select')"
                " union all select unnest(array['similar_products', 'recommend_products'])"
            )
        ).all()
    assert len(documented) == 20
    shown = " ".join(statement for statement, _ in examples())
    missing = [name for name in documented if f"inventory_match.{name}" not in shown]
    assert missing == [], f"{README.name} shows no example with output for {missing}"
