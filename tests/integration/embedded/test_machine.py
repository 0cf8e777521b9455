"""The machine as a whole: what it offers, what it keeps across restarts, and what it refuses."""

from __future__ import annotations

import io
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
import pytest
import redis
from boto3.s3.transfer import TransferConfig
from sqlalchemy.engine import make_url

from inventory_match.domain.errors import ConfigurationError, ServiceUnavailable
from inventory_match.embedded.loopback import choose_port
from inventory_match.embedded.machine import Machine
from inventory_match.embedded.object_files import ObjectFiles
from inventory_match.embedded.redis import Redis
from inventory_match.embedded.warden import Warden

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def conninfo(machine: Machine) -> str:
    return machine.dsn.replace("+psycopg", "")


def test_it_offers_what_the_product_needs(machine: Machine) -> None:
    with psycopg.connect(conninfo(machine), autocommit=True) as connection:
        available = connection.execute("select default_version from pg_available_extensions where name = 'vector'")
        version = available.fetchone()
        assert version is not None
        assert tuple(map(int, version[0].split("."))) >= (0, 8, 4)
        shown = {name: connection.execute(f"show {name}").fetchone() for name in ("server_encoding", "timezone")}
    assert shown == {"server_encoding": ("UTF8",), "timezone": ("UTC",)}
    with redis.Redis.from_url(machine.redis_url) as client:
        assert client.ping()
        assert client.config_get("save") == {"save": ""}
    names = {name.removeprefix("INVENTORY_MATCH_") for name in machine.environment()}
    assert names == {
        *("DATABASE_URL", "REDIS_URL", "S3_ENDPOINT", "SQS_ENDPOINT", "BUCKET", "QUEUE_URL"),
        *("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    }


def test_nobody_gets_in_without_the_password(machine: Machine) -> None:
    url = make_url(machine.dsn)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host=url.host, port=url.port, user=url.username, dbname=url.database, password="guess")
    without = f"redis://{machine.redis_url.partition('@')[2]}"
    with redis.Redis.from_url(without) as client, pytest.raises(redis.AuthenticationError):
        client.ping()
    assert {path.stat().st_mode & 0o777 for path in machine.data.glob("*.password")} == {0o600}


def test_it_listens_on_loopback_only(machine: Machine) -> None:
    listening = {
        connection.laddr.ip
        for pid in machine.pids.values()
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_a_restart_keeps_rows_and_objects_and_announces_nothing(
    data: Path, s3_of: Callable[[Machine], S3Client], drain: Callable[[Machine], list[dict[str, Any]]]
) -> None:
    with Machine(data) as machine:
        with psycopg.connect(conninfo(machine)) as connection:
            assert connection.execute("show fsync").fetchone() == ("on",)
            connection.execute("create table kept (word text)")
            connection.execute("insert into kept values ('still here')")
        before, versions = upload(s3_of(machine), machine.bucket)
        cut = ObjectFiles(data / "objects").path(machine.bucket, "cut", "null")
        cut.write_bytes(cut.read_bytes()[:-1])

        with pytest.raises(ConfigurationError, match=rf"{data} is in use by process \d+; stop it or give another"):
            Machine(data).start()
        pids = machine.pids
    assert not any(map(psutil.pid_exists, pids.values()))

    with Machine(data) as machine:
        with psycopg.connect(conninfo(machine)) as connection:
            assert connection.execute("select word from kept").fetchall() == [("still here",)]
        s3 = s3_of(machine)
        assert [told["Event"] for told in drain(machine)] == ["s3:TestEvent"]
        after = {key: describe(s3, machine.bucket, key) for key in before if key != "cut"}
        assert after == {key: value for key, value in before.items() if key != "cut"}
        assert version_list(s3, "versioned") == versions
        assert cut.exists()
        assert [each for each in machine.complaints if str(cut) in each and "cut short" in each] == machine.complaints
        assert machine.complaints


def upload(s3: S3Client, bucket: str) -> tuple[dict[str, dict[str, Any]], list[tuple[str, str, bool]]]:
    """Objects of every sort; returns what S3 says of each, and of the versions in a bucket that keeps them."""
    s3.put_object(Bucket=bucket, Key="plain/ü.jpg", Body=b"photo", ContentType="image/jpeg", Metadata={"camera": "a1"})
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    s3.put_object(Bucket=bucket, Key="cut", Body=b"soon damaged")
    parts = TransferConfig(multipart_threshold=5_300_000, multipart_chunksize=5_300_000)
    s3.upload_fileobj(io.BytesIO(b"z" * 6_000_000), bucket, "parts", Config=parts)
    s3.create_bucket(Bucket="versioned")
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    for body in (b"one", b"two"):
        s3.put_object(Bucket="versioned", Key="k", Body=body)
    s3.delete_object(Bucket="versioned", Key="k")
    keys = ("plain/ü.jpg", "empty", "cut", "parts")
    return {key: describe(s3, bucket, key) for key in keys}, version_list(s3, "versioned")


def describe(s3: S3Client, bucket: str, key: str) -> dict[str, Any]:
    got = s3.get_object(Bucket=bucket, Key=key)
    told: dict[str, Any] = {name: got[name] for name in ("ETag", "ContentType", "Metadata", "LastModified")}
    return told | {"body": got["Body"].read()}


def version_list(s3: S3Client, bucket: str) -> list[tuple[str, str, bool]]:
    told = s3.list_object_versions(Bucket=bucket)
    versions = [(each["VersionId"], each["ETag"], each["IsLatest"]) for each in told["Versions"]]
    markers = [(each["VersionId"], "", each["IsLatest"]) for each in told["DeleteMarkers"]]
    assert len(versions) == 2
    assert len(markers) == 1
    return versions + markers


def test_a_port_in_use_is_refused_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} for Redis is in use"):
            Machine(redis_port=port).start()


def test_a_server_that_cannot_start_says_why_and_takes_the_others_along(data: Path) -> None:
    (data / "postgres").mkdir(mode=0o700)
    (data / "postgres" / "PG_VERSION").write_text("9.6\n")
    machine = Machine(data)
    with pytest.raises(ServiceUnavailable, match=r"(?s)postgres ended with code \d.*the end of .*postgres\.log.*\n"):
        machine.start()
    assert not [child for child in psutil.Process().children(recursive=True) if str(data) in " ".join(child.cmdline())]
    assert machine.pids == {}


def test_a_server_that_dies_is_noticed(data: Path) -> None:
    server, warden = Redis(data, choose_port(None, name="Redis")), Warden()
    server.start(warden)
    try:
        server.check()
        pid = server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        # "zombie" is said of a process whose first thread has ended while its others still end; waitid waits for all
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(ServiceUnavailable, match=r"redis ended with code -9; the end of .*redis.log"):
            server.check()
    finally:
        server.stop()
        warden.close()
