"""The product as a user starts it: `inventory-match up` in a process of its own, and an `App` that speaks to it."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inventory_match.bootstrap import App
from inventory_match.domain.errors import ServiceUnavailable
from inventory_match.settings import Settings

READY_WITHIN_S = 120
STOPPED_WITHIN_S = 60
_QUICK = {
    "INVENTORY_MATCH_QUEUE_WAIT": "1",
    "INVENTORY_MATCH_SWEEP_INTERVAL": "2",
    "INVENTORY_MATCH_DELIVER_INTERVAL": "1",
}
"""A day is played in half a minute, so what runs by the clock runs more often."""


@contextmanager
def running(data: Path, log: Path) -> Iterator[App]:
    """Starts everything on fresh data in `data`, hands over the app once it is ready, and stops it cleanly at the end.

    Raises ServiceUnavailable with the end of the log when it does not become ready.
    """
    shutil.rmtree(data, ignore_errors=True)
    command = [sys.executable, "-m", "inventory_match", "up", "--data", str(data)]
    with log.open("wb") as lines:
        up = subprocess.Popen(
            command, stdout=lines, stderr=subprocess.STDOUT, env={**os.environ, **_QUICK}, start_new_session=True
        )
    try:
        _await_ready(up, log)
        app = App(settings_of(data))
        try:
            yield app
        finally:
            app.engine.dispose()
    finally:
        up.send_signal(signal.SIGINT)
        try:
            up.wait(STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            up.kill()
            up.wait()


def settings_of(data: Path) -> Settings:
    """The settings `up` wrote for the shell, read back."""
    words = shlex.split((data / "environment.sh").read_text(encoding="utf-8"), comments=True)
    pairs = dict(word.split("=", 1) for word in words if word.startswith("INVENTORY_MATCH_"))
    return Settings.model_validate({name.removeprefix("INVENTORY_MATCH_").lower(): pairs[name] for name in pairs})


def _await_ready(up: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        said = log.read_text(encoding="utf-8", errors="replace")
        if any(line.startswith("ready") for line in said.splitlines()):
            return
        if up.poll() is not None:
            break
        time.sleep(0.1)
    tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
    raise ServiceUnavailable(f"`inventory-match up` did not become ready; the end of {log}:\n{tail}")
