"""However our process ends, its servers end with it; and whoever starts next waits until they have."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from inventory_match.embedded.directory import DirectoryLock
from inventory_match.embedded.warden import Warden

ROOT = Path(__file__).parents[3]
START = """
import json, sys, time
from pathlib import Path
from inventory_match.embedded.machine import Machine

machine = Machine(Path(sys.argv[1]))
machine.start()
print(json.dumps(machine.pids), flush=True)
time.sleep(60)
"""
OWN = """
import signal, sys, time
from pathlib import Path
from inventory_match.embedded.child import Child
from inventory_match.embedded.warden import Warden

signal.signal(signal.SIGINT, signal.SIG_DFL)
directory = Path(sys.argv[1])
(directory / "full").mkdir(parents=True)
warden = Warden()
warden.remove_at_end(directory)
with (directory / "log").open("wb") as log:
    child = Child("sleeper", ["sleep", "60"], warden=warden, output=log)
print(child.process.pid, flush=True)
time.sleep(60)
"""


def running(pid: int) -> bool:
    """A zombie has ended; only whoever inherited it has not looked yet."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def ended(pids: list[int], within: float = 20) -> bool:
    until = time.monotonic() + within
    while any(map(running, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    return not any(map(running, pids))


def test_kill_9_stops_the_servers_before_the_directory_is_free(data: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", START, str(data)], stdout=subprocess.PIPE, cwd=ROOT) as owner:
        assert owner.stdout is not None
        servers = set(json.loads(owner.stdout.readline()).values())
        family = [child.pid for child in psutil.Process(owner.pid).children(recursive=True)]
        assert servers < set(family)
        owner.send_signal(signal.SIGKILL)
    lock = DirectoryLock(data)  # waits for the old servers
    assert not any(map(running, servers))
    lock.release()
    assert ended(family)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_the_warden_outlives_its_owner_and_tidies_up(end: signal.Signals, data: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", OWN, str(data / "gone")], stdout=subprocess.PIPE, cwd=ROOT) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        family = [child.pid for child in psutil.Process(owner.pid).children(recursive=True)]
        assert pid in family
        owner.send_signal(end)
    assert ended(family)
    assert not (data / "gone").exists()


@pytest.mark.parametrize(("reaction", "code"), [("signal.SIG_IGN", -9), ("lambda *_: sys.exit(7)", 7)])
def test_the_warden_asks_first_and_kills_after_the_grace(reaction: str, code: int) -> None:
    program = f"import signal, sys, time; signal.signal(signal.SIGTERM, {reaction}); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        warden = Warden()
        warden.guard(child.pid, signal.SIGTERM, 0.5 if code < 0 else 20)
        began = time.monotonic()
        warden.close()
        assert time.monotonic() - began < 10
        assert child.wait(5) == code
