"""Started by a user without rights. The other tests here run as whoever runs them, which in CI is often root."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NOBODY = 65534
USE = """
import os, sys
from pathlib import Path
import psycopg
from inventory_match.embedded.machine import Machine

with Machine(Path(sys.argv[1])) as machine, psycopg.connect(machine.dsn.replace("+psycopg", "")) as connection:
    connection.execute("create extension vector")
    print("uid", os.getuid(), "distance", connection.execute("select '[1,0]'::vector <-> '[0,0]'").fetchone()[0])
"""
# The interpreter may lie under root's own home, which nobody else may enter. In a mount namespace of the child's own, a
# folder anyone may pass through, with the same contents, takes that home's place; nothing changes on the machine.
OPEN_HOME = """
set -e
home=$1; stage=$2; shift 2
for each in "$home"/* "$home"/.[!.]*; do
    if [ -d "$each" ]; then mkdir "$stage/${each##*/}"; mount --bind "$each" "$stage/${each##*/}"; fi
done
mount --rbind "$stage" "$home"
exec setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"
"""


def closed_to_others(path: Path) -> list[Path]:
    return [each for each in path.resolve().parents if not each.stat().st_mode & stat.S_IXOTH]


@pytest.mark.skipif(os.geteuid() != 0, reason="not root: every test here already runs as an ordinary user")
def test_an_ordinary_user_can_start_a_machine(data: Path) -> None:
    home = data / "home"
    for made in (home, data / "stage"):
        made.mkdir()
    os.chown(home, NOBODY, NOBODY)
    data.chmod(0o755)
    blocked = closed_to_others(ROOT) + closed_to_others(Path(sys.executable))
    command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]
    if blocked:
        command = ["unshare", "--mount", "sh", "-c", OPEN_HOME, "sh", str(blocked[-1]), str(data / "stage")]
    if not shutil.which(command[0]) or subprocess.run([*command, "true"], check=False, capture_output=True).returncode:
        pytest.skip(f"cannot become another user who can run {sys.executable}: {command[0]} is missing or not allowed")
    for left in (data / "stage").iterdir():
        left.rmdir()
    done = subprocess.run(
        [*command, sys.executable, "-B", "-c", USE, str(home / "data")],
        cwd=ROOT,
        env={"PATH": os.defpath, "HOME": str(home), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"uid {NOBODY} distance 1.0\n", done.stderr
    assert (home / "data" / "postgres").stat().st_uid == NOBODY
