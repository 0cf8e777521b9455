"""Postgres after stops that were not clean."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from inventory_match.domain.errors import ConfigurationError
from inventory_match.embedded.loopback import choose_port
from inventory_match.embedded.postgres import Postgres
from inventory_match.embedded.warden import Warden


@pytest.fixture
def warden() -> Iterator[Warden]:
    made = Warden()
    yield made
    made.close()


def postgres(data: Path, password: str = "secret") -> Postgres:
    return Postgres(data, choose_port(None, name="Postgres"), password=password)


def words(server: Postgres) -> list[str]:
    with psycopg.connect(server.conninfo()) as connection:
        return [word for (word,) in connection.execute("select word from kept order by word")]


def test_it_comes_back_after_every_unclean_stop(data: Path, warden: Warden) -> None:
    data.joinpath("postgres.unfinished").mkdir()
    data.joinpath("postgres.unfinished", "base").write_text("an initdb that was cut short")
    first = postgres(data)
    first.start(warden)
    with psycopg.connect(first.conninfo(), autocommit=True) as connection:
        connection.execute("create table kept (word text)")
        connection.execute("insert into kept values ('committed')")

    psutil.Process(first.pid).kill()
    first.stop()
    pid_file = data / "postgres" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    someone_else = os.getppid()
    pid_file.write_text("\n".join([str(someone_else), *lines[1:], ""]))  # numbers repeat, in containers above all
    second = postgres(data)
    second.start(warden)
    assert words(second) == ["committed"]

    still_running = second.pid
    third = postgres(data)  # as when the warden was killed along with its owner
    third.start(warden)
    assert still_running is not None
    assert second.pid is None
    assert words(third) == ["committed"]
    third.stop()
    assert not pid_file.exists()

    with pytest.raises(ConfigurationError, match="password"):
        postgres(data, "forgotten").start(warden)
