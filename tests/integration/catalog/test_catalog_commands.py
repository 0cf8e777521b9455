"""The `catalog` commands as a person types them, with the shipped encoder."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inventory_match.bootstrap import App
from inventory_match.cli import main
from inventory_match.embedded.machine import Machine


@pytest.fixture
def run(app: App, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    env = machine.environment() | {"INVENTORY_MATCH_DATABASE_URL": app.settings.database_url.get_secret_value()}
    for name, value in {**env, "COLUMNS": "200"}.items():
        monkeypatch.setenv(name, value)
    return CliRunner()


def typed(run: CliRunner, *words: str | Path) -> Result:
    result = run.invoke(main, ["catalog", *map(str, words)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_import_search_list_retire(run: CliRunner, shop: Path) -> None:
    (shop / "c.csv").write_text("sku,image,name\nr1,red.png,Red one\ng1,green.png,\nx,none.png,\n", encoding="utf-8")
    done = typed(run, "import", shop / "c.csv")
    assert done.exit_code == 0, done.output
    assert "none.png: No such file or directory" in done.output
    assert "1 rows were left out" in done.output
    found = typed(run, "search", shop / "red.png", "-k", "1")
    assert "r1" in found.output
    assert "Red one" in found.output
    assert "g1" not in found.output
    assert "2 products" in typed(run, "list").output
    assert "r1 is retired" in typed(run, "retire", "r1").output
    assert "r1 was retired already" in typed(run, "retire", "r1").output
    assert "r1" not in typed(run, "search", shop / "red.png").output


def test_strict_with_a_bad_row_fails_and_takes_nothing_in(run: CliRunner, shop: Path) -> None:
    (shop / "c.csv").write_text("sku,image\nr1,red.png\nx,none.png\n", encoding="utf-8")
    failed = typed(run, "import", shop / "c.csv", "--strict")
    assert failed.exit_code == 1
    assert "nothing was taken in: 1 bad rows" in failed.output
    assert "0 products" in typed(run, "list").output


def test_mistakes_are_one_line(run: CliRunner, shop: Path) -> None:
    assert "cannot be read" in typed(run, "import", shop / "nowhere.csv").output
    unknown = typed(run, "retire", "nothing")
    assert (unknown.exit_code, "is not in the catalog" in unknown.output) == (1, True)
    early = typed(run, "search", shop / "red.png")
    assert (early.exit_code, "no encoder is active" in early.output) == (1, True)
