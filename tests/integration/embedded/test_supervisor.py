"""The supervisor with small real programs: their lines, their restarts, and their end in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from inventory_match.domain.errors import ConfigurationError, ServiceUnavailable
from inventory_match.embedded.supervisor import Backoff, Command, Supervisor

ROOT = Path(__file__).parents[3]
PATIENT = "import signal, time; print('up', flush=True); time.sleep(60)"
FINISHING = """
import signal, sys, time
def finish(*_):
    time.sleep(0.3); print("finished the photo in hand", flush=True); sys.exit(0)
signal.signal(signal.SIGTERM, finish); print("up", flush=True); time.sleep(60)
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def python(name: str, program: str, grace: float = 10) -> Command:
    return Command(name, [sys.executable, "-c", program], grace)


class Terminal:
    """Collects lines; `until` waits for one."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def until(self, wanted: Callable[[list[str]], bool], seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not wanted(self.lines):
            assert time.monotonic() < end, self.lines
            time.sleep(0.02)


def test_lines_carry_the_name_and_programs_stop_in_reverse_order() -> None:
    terminal = Terminal()
    commands = [python("worker", FINISHING), python("beat", PATIENT), python("intake", PATIENT)]
    supervisor = Supervisor(commands, environment=os.environ, say=terminal.lines.append)
    running = threading.Thread(target=supervisor.run)
    running.start()
    terminal.until(lambda lines: len(lines) == 3)
    assert sorted(terminal.lines) == ["beat   | up", "intake | up", "worker | up"]
    supervisor.request_stop()
    running.join(20)
    assert terminal.lines[3:] == [
        "intake | stopping",
        "intake | stopped",
        "beat   | stopping",
        "beat   | stopped",
        "worker | stopping",
        "worker | finished the photo in hand",
        "worker | stopped",
    ]


def test_a_program_that_ends_is_started_again_ever_later() -> None:
    terminal = Terminal()
    supervisor = Supervisor(
        [python("crashes", "print('last words'); raise SystemExit(3)"), python("stays", PATIENT)],
        environment=os.environ,
        say=terminal.lines.append,
        backoff=Backoff(first=0.05, longest=60),
    )
    running = threading.Thread(target=supervisor.run)
    running.start()
    terminal.until(lambda lines: sum("ended by itself" in line for line in lines) == 3)
    supervisor.request_stop()
    running.join(20)
    crashes = [line for line in terminal.lines if line.startswith("crashes")]
    assert crashes[:6] == [
        line
        for delay in ("0.05", "0.1", "0.2")
        for line in (
            "crashes | last words",
            f"crashes | ended by itself (code 3); starting it again in {delay} s",
        )
    ]
    assert [line for line in terminal.lines if line.startswith("stays")] == [
        "stays   | up",
        "stays   | stopping",
        "stays   | stopped",
    ]


def test_the_delay_has_an_end() -> None:
    backoff = Backoff(first=1, longest=60)
    assert [backoff.delay(failures) for failures in range(1, 9)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert backoff.delay(10_000) == 60


def test_what_does_not_stop_in_time_is_killed_with_what_it_started() -> None:
    start = f"p = subprocess.Popen([sys.executable, '-c', {DEAF!r}])"
    pool = f"import subprocess, sys; {start}; print(p.pid, flush=True); p.wait()"
    terminal = Terminal()
    supervisor = Supervisor([python("deaf", pool, grace=0.2)], environment=os.environ, say=terminal.lines.append)
    running = threading.Thread(target=supervisor.run)
    running.start()
    terminal.until(lambda lines: len(lines) == 2)
    child = next(int(line.split("| ")[1]) for line in terminal.lines if line.split("| ")[1].isdigit())
    supervisor.request_stop()
    running.join(20)
    psutil.wait_procs([psutil.Process(child)] if psutil.pid_exists(child) else [], timeout=5)
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_a_failed_check_stops_everything_and_is_reported() -> None:
    terminal = Terminal()

    def check() -> None:
        if "only | up" in terminal.lines:
            raise ServiceUnavailable("postgres ended with code 1")

    supervisor = Supervisor([python("only", PATIENT)], environment=os.environ, say=terminal.lines.append, check=check)
    with pytest.raises(ServiceUnavailable, match="postgres ended"):
        supervisor.run()
    assert terminal.lines[-1] == "only | stopped"


def test_a_program_that_does_not_exist_is_named() -> None:
    lines: list[str] = []
    commands = [python("real", PATIENT), Command("missing", ["/no/such/program"])]
    with pytest.raises(ConfigurationError, match="missing cannot be started"):
        Supervisor(commands, environment=os.environ, say=lines.append).run()
    assert lines[-1] == "real    | stopped"


def test_a_closed_terminal_stops_everything() -> None:
    def closed(_: str) -> None:
        raise BrokenPipeError

    supervisor = Supervisor([python("talks", PATIENT)], environment=os.environ, say=closed)
    running = threading.Thread(target=supervisor.run)
    running.start()
    running.join(20)
    assert not running.is_alive()


SUPERVISE = f"""
import os, sys
from inventory_match.embedded.supervisor import Command, Supervisor
deaf = {DEAF!r}
commands = [Command(name, [sys.executable, "-c", deaf], grace=50) for name in ("one", "two")]
Supervisor(commands, environment=os.environ, say=lambda line: print(line, flush=True)).run()
print("clean end", flush=True)
"""


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_at_once(asked: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", SUPERVISE], stdout=subprocess.PIPE, text=True, cwd=ROOT) as owner:
        assert owner.stdout is not None
        assert sorted(owner.stdout.readline() for _ in range(2)) == ["one | up\n", "two | up\n"]
        owner.send_signal(asked)
        assert owner.stdout.readline() == "two | stopping\n"
        owner.send_signal(asked)
        rest = owner.stdout.read()
    assert owner.returncode == 0
    assert rest.splitlines() == [
        "two | killed before it had stopped",
        "one | stopping",
        "one | killed before it had stopped",
        "clean end",
    ]


def test_ctrl_c_in_the_terminal_reaches_the_supervisor_alone() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISE], stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    ) as owner:
        assert owner.stdout is not None
        for _ in range(2):
            owner.stdout.readline()
        children = psutil.Process(owner.pid).children()
        assert owner.pid not in {os.getsid(child.pid) for child in children}
        owner.kill()
    _, alive = psutil.wait_procs(children, timeout=1)
    for child in alive:  # DEAF to the warden's SIGTERM, and its grace is long: not what this test waits for
        child.kill()
