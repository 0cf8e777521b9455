"""`inventory-match up` as a person meets it: ready, in use, stopped, started again on the same folder."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue

import psutil
import pytest

from inventory_match.s3.clients import s3_client

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "inventory_match", "up"]
READY_SECONDS = 90


class Up:
    """A running `up`, with every line it wrote so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._fresh: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, start: str, seconds: float = READY_SECONDS) -> str:
        """The first new line that begins with `start`."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                line = self._fresh.get(timeout=min(left, 0.5))
            except Empty:
                assert self.process.poll() is None, "".join(self.lines)
                continue
            if line.startswith(start):
                return line
        pytest.fail(f"no line {start!r}:\n{''.join(self.lines)}")

    def interrupt(self) -> int:
        """Ctrl-C, to this process alone, as its children run in sessions of their own; returns the exit code."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        assert family
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(30)
        self._reader.join(10)
        _, alive = psutil.wait_procs(family, timeout=10)
        assert not alive, [each.cmdline() for each in alive]
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            self._fresh.put(line)


@pytest.fixture
def data() -> Iterator[Path]:
    """A folder outside pytest's own, which only root may enter: Postgres is not root."""
    made = Path(tempfile.mkdtemp(prefix="inventory-match-test-"))
    yield made
    shutil.rmtree(made)


@contextmanager
def up(data: Path, *options: str) -> Iterator[Up]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INVENTORY_MATCH_")}
    argv = [*COMMAND, "--data", str(data), *options]
    with subprocess.Popen(
        argv, cwd=ROOT, env=clean, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        try:
            yield Up(process)
        finally:
            process.terminate()


def put(line: str, key: str) -> None:
    """Upload to the address a ready line names."""
    found = re.search(r"s3://(\S+) at (\S+);", line)
    assert found is not None
    client = s3_client(found[2], "us-east-1", "embedded", "embedded")
    client.put_object(Bucket=found[1], Key=key, Body=b"a photo")
    client.close()


def sourced(data: Path, *command: str) -> str:
    """A command of ours in a shell that has sourced the environment, as the terminal says one should."""
    script = f"source {data}/environment.sh && exec {sys.executable} -m inventory_match {' '.join(command)}"
    return subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "300"},
        check=True,
        text=True,
        capture_output=True,
    ).stdout


@pytest.mark.timeout(240)
def test_up_is_ready_refuses_a_second_start_stops_and_goes_on(data: Path) -> None:
    with up(data) as first:
        ready = first.wait_for("ready")
        assert any(line.startswith("export INVENTORY_MATCH_DATABASE_URL=") for line in first.lines)
        assert (data / "environment.sh").stat().st_mode & 0o077 == 0
        assert "1 answer" in sourced(data, "doctor")
        put(ready, "a.jpg")
        first.wait_for("intake | ", seconds=20)
        second = subprocess.run(
            [*COMMAND, "--data", str(data)], cwd=ROOT, text=True, capture_output=True, timeout=60, check=False
        )
        assert second.returncode == 1
        assert second.stdout == ""
        assert len(second.stderr.splitlines()) == 1
        assert f"{data} is in use by process {first.process.pid}" in second.stderr
        assert first.interrupt() == 0
        assert first.lines[-1] == "stopped\n"

    with up(data, "--no-workers") as again:
        put(again.wait_for("ready"), "b.jpg")  # nobody listens: its message is lost with the queue
        assert again.interrupt() == 0

    with up(data, "--no-workers") as third:
        third.wait_for("1 photos were uploaded while nobody listened")
        third.wait_for("ready")
        listed = sourced(data, "photos", "list")
        assert "a.jpg" in listed
        assert "b.jpg" in listed
        assert third.interrupt() == 0
