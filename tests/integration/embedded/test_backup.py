"""A machine saved into one file, lost, and made anew: rows, objects and passwords; a torn file makes nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from click.testing import CliRunner

from inventory_match.cli import main
from inventory_match.domain.errors import InvalidInput
from inventory_match.embedded import archive
from inventory_match.embedded.machine import Machine

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def call(*args: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(arg) for arg in args])
    assert result.exit_code == code, result.output
    return result.output


def conninfo(machine: Machine) -> str:
    return machine.dsn.replace("+psycopg", "")


def test_what_was_saved_is_there_again_and_a_torn_copy_is_refused(
    data: Path, s3_of: Callable[[Machine], S3Client]
) -> None:
    kept, saved = data / "kept", data / "saved.tar"
    assert "no data directory" in call("backup", "--data", data, "--out", saved, code=1)
    with Machine(kept) as machine:
        with psycopg.connect(conninfo(machine), autocommit=True) as connection:
            connection.execute(
                "create table shelf as select n, repeat('tea', n) as what from generate_series(1, 500) n"
            )
        client = s3_of(machine)
        client.put_object(Bucket=machine.bucket, Key="s1/ä b.jpg", Body=b"a photo")
        client.close()
        assert "in use by process" in call("backup", "--data", kept, "--out", saved, code=1)

    assert "files" in call("backup", "--data", kept, "--out", saved)
    assert saved.stat().st_mode & 0o777 == 0o600, "it holds passwords"
    assert "is there already" in call("backup", "--data", kept, "--out", saved, code=1)
    assert "is there and not empty" in call("restore", saved, "--data", kept, code=1)
    shutil.rmtree(kept)

    whole = saved.read_bytes()
    for torn, cause in (
        (whole[: len(whole) // 2], "cannot be restored"),
        (whole[: whole.rindex(b"manifest.json") // 512 * 512] + bytes(1024), "it was cut short"),
        (whole.replace(b"a photo", b"no foto"), "files are not what was saved"),
        (b"", "cannot be restored"),
    ):
        (data / "torn.tar").write_bytes(torn)
        assert cause in call("restore", data / "torn.tar", "--data", kept, code=1)
        assert {path.name for path in data.iterdir()} == {"saved.tar", "torn.tar"}, "nothing was written"

    call("restore", saved, "--data", kept)
    with Machine(kept) as machine:
        with psycopg.connect(conninfo(machine)) as connection:
            assert connection.execute("select count(*), max(length(what)) from shelf").fetchone() == (500, 1500)
        client = s3_of(machine)
        assert client.get_object(Bucket=machine.bucket, Key="s1/ä b.jpg")["Body"].read() == b"a photo"
        client.close()
        assert machine.complaints == []


@pytest.fixture
def stopped(data: Path) -> Path:
    """A directory as a stopped machine leaves it, as far as an archive goes."""
    kept = data / "kept"
    (kept / "postgres").mkdir(parents=True)
    (kept / "postgres" / "PG_VERSION").write_text("16")
    (kept / "postgres" / "rows").write_bytes(bytes(1 << 20))
    return kept


@pytest.mark.parametrize("inside", ["saved.tar", "postgres/saved.tar", "../kept/saved.tar"])
def test_an_archive_is_not_put_into_what_it_saves(stopped: Path, inside: str) -> None:
    before = sorted(stopped.rglob("*"))
    assert "would hold a part of itself" in call("backup", "--data", stopped, "--out", stopped / inside, code=1)
    assert sorted(stopped.rglob("*")) == before


def test_a_full_disk_is_no_fault_of_the_archive(data: Path, stopped: Path) -> None:
    saved, target = data / "saved.tar", data / "target"
    call("backup", "--data", stopped, "--out", saved)
    # No file may be larger than 100 blocks.
    command = f"ulimit -f 100; {sys.executable} -m inventory_match restore {saved} --data {target}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1
    assert "cannot be written" in said
    assert "File too large" in said
    assert "take another copy" not in said
    assert {path.name for path in data.iterdir()} == {"kept", "saved.tar"}, "nothing is left"


@pytest.mark.parametrize("unreadable", [Path("/proc/self/mem"), Path("/")])
def test_an_archive_that_cannot_be_read_is_told_as_such(data: Path, unreadable: Path) -> None:
    with pytest.raises(InvalidInput, match="take another copy"):
        archive.restore(unreadable, data / "target")
