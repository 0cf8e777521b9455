"""One server of a machine restarted by itself, gently and as a crash would: what it kept, and that the others stayed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

import psycopg
import pytest
import redis

from inventory_match.domain.errors import ConfigurationError
from inventory_match.embedded.machine import Machine

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture(scope="module")
def own() -> Iterator[Machine]:
    """Not the one all tests share: their connections would break."""
    with Machine() as made:
        yield made


@pytest.mark.parametrize("at_once", [False, True], ids=["gently", "at once"])
def test_one_server_is_restarted_with_its_data_and_its_port(
    own: Machine, s3_of: Callable[[Machine], S3Client], *, at_once: bool
) -> None:
    conninfo, before = own.dsn.replace("+psycopg", ""), own.pids
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("create table if not exists kept (at_once bool)")
        connection.execute("insert into kept values (%s)", (at_once,))
    s3_of(own).put_object(Bucket=own.bucket, Key="photo", Body=b"bytes")

    for name in ("postgres", "redis", "s3"):
        own.restart(name, at_once=at_once)
        own.check()

    assert own.pids.keys() == before.keys()
    assert not set(own.pids.values()) & set(before.values())
    with psycopg.connect(conninfo) as connection:
        assert connection.execute("select count(*) from kept where at_once = %s", (at_once,)).fetchone() == (1,)
    assert s3_of(own).get_object(Bucket=own.bucket, Key="photo")["Body"].read() == b"bytes"


@pytest.mark.parametrize(("at_once", "said"), [(False, "fast"), (True, "immediate")])
def test_only_a_crash_leaves_postgres_its_log_to_replay(own: Machine, said: str, *, at_once: bool) -> None:
    own.restart("postgres", at_once=at_once)
    log = own.data / "logs" / "postgres.log"
    assert f"received {said} shutdown request" in log.with_suffix(".log.old").read_text(encoding="utf-8")
    assert ("automatic recovery in progress" in log.read_text(encoding="utf-8")) is at_once


@pytest.mark.parametrize("name", ["redis", "s3"])
def test_the_others_are_not_touched_by_it(own: Machine, name: Literal["redis", "s3"]) -> None:
    with psycopg.connect(own.dsn.replace("+psycopg", "")) as connection:
        before = own.pids
        own.restart(name, at_once=True)
        assert connection.execute("select 1").fetchone() == (1,)
    changed = {each for each, pid in own.pids.items() if pid != before[each]}
    assert changed == {"objects" if name == "s3" else name}


def test_redis_forgets_what_it_carried(own: Machine) -> None:
    with redis.Redis.from_url(own.redis_url) as client:
        client.set("kick", 1)
        own.restart("redis")
        assert client.get("kick") is None


def test_a_machine_that_is_not_up_restarts_nothing() -> None:
    with pytest.raises(ConfigurationError, match="redis cannot be restarted: the machine is not up"):
        Machine().restart("redis")
