"""The fuzz run of the parser of queue messages, for a moment: that it runs at all, and that its oracle can fail."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "faults" / "fuzz_envelope.py"


@pytest.mark.parametrize("how", [[], ["--blind"]], ids=["guided", "blind"])
def test_a_second_of_fuzzing_finds_nothing(tmp_path: Path, how: list[str]) -> None:
    fuzz = [sys.executable, str(SCRIPT), "--seconds", "1", "--findings", str(tmp_path / "found"), *how]
    # Through a shell, which is small: a process begins with the peak memory of the one it was forked from, and ours is large.
    argv = ["/bin/sh", "-c", '"$@"; exit $?', "sh", *fuzz]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=SCRIPT.parents[2])
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "Done " in ended.stderr
    assert not list((tmp_path / "found").glob("crash-*"))


def test_its_oracle_passes_what_is_well_and_nothing_else() -> None:
    check = runpy.run_path(str(SCRIPT))["check"]
    check(b'{"Event": "s3:TestEvent"}')
    check(b"\xff")
    with pytest.raises(AttributeError):
        check(7)
