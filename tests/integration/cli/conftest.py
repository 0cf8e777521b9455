"""The command line against the real servers: run it, and a small shop for it to work on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from inventory_match.bootstrap import App
from inventory_match.cli import main
from inventory_match.db.models import Location, PolicyRule, Product, Store
from inventory_match.embedded.machine import Machine

Run = Callable[..., Result]


@pytest.fixture
def environment(machine: Machine, app: App) -> dict[str, str]:
    """What a person would export to work on this test's database."""
    own = {
        "INVENTORY_MATCH_DATABASE_URL": app.settings.database_url.get_secret_value(),
        "INVENTORY_MATCH_QUEUE_WAIT": "1",
    }
    return {**machine.environment(), **own}


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """`run("stock", "show")`, with settings as keywords; the exit code is for the test to judge."""

    def invoke(*args: str, code: int = 0, **settings: str) -> Result:
        more = {f"INVENTORY_MATCH_{name.upper()}": value for name, value in settings.items()}
        result = CliRunner().invoke(main, args, env={**environment, "COLUMNS": "400", **more})
        assert result.exit_code == code, result.output
        return result

    return invoke


@pytest.fixture
def shop(app: App) -> None:
    """Store `s1` in Lisbon with the locations `shelf` and `dock`, and tea whose level is kept by the books."""
    policy = {"reorder_point": 2, "clear_point": 4, "target_level": 10, "pack_size": 6, "lead_time_days": 3}
    with app.unit_of_work() as session:
        session.add(Store(store="s1", name="Store 1", timezone="Europe/Lisbon"))
        session.add_all([Product(sku="tea", name="Tea"), Product(sku="jam", name="Jam")])
        session.flush()
        session.add_all([Location(store="s1", location=place, name=place) for place in ("shelf", "dock")])
        session.add(PolicyRule(store="s1", sku="tea", settings=policy))
