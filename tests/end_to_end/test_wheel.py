"""One wheel, installed into an empty environment, works without the checkout: servers, schema, worker, encoder, doctor."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

CHECKOUT = Path(__file__).parents[2]
READY_WITHIN_S = 90


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Built from a copy: setuptools leaves a build folder beside what it builds.
    source = tmp_path_factory.mktemp("source")
    for name in ("inventory_match", "migrations", "workers"):
        shutil.copytree(CHECKOUT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(CHECKOUT / name, source)
    out = tmp_path_factory.mktemp("wheel")
    _run(
        sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(out), str(source)
    )
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Not pytest's own: any pytest that starts closes that one to other users, and as root Postgres runs as one."""
    with tempfile.TemporaryDirectory(prefix="inventory-match-wheel-") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def installed(wheel: Path, folder: Path) -> Path:
    """The bin folder of an environment that holds the wheel and what it depends on."""
    where = folder / "venv"
    venv.create(where)
    uv = Path(sys.prefix) / "bin" / "uv"
    python = str(where / "bin" / "python")
    pins = str(CHECKOUT / "constraints.txt")
    _run(str(uv), "pip", "install", "--quiet", "--python", python, "--constraint", pins, f"{wheel}[embedded]")
    return where / "bin"


def test_the_wheel_carries_everything(wheel: Path) -> None:
    names = set(ZipFile(wheel).namelist())
    for wanted in (
        "inventory_match_workers/app.py",
        "inventory_match_migrations/env.py",
        "inventory_match_migrations/versions/0001_tables.sql",
        "inventory_match_migrations/views/0002_roles.sql",
        "inventory_match/vision/models/shipped.json",
        "inventory_match/py.typed",
    ):
        assert wanted in names
    assert any(name.endswith(".safetensors") for name in names)
    assert not any(name.split("/")[0] in {"workers", "migrations", "tests"} for name in names), (
        "names that are anybody's"
    )


@pytest.fixture
def up(installed: Path, folder: Path) -> Iterator[Path]:
    """`inventory-match up` at its ready line, in an empty folder; gives the data folder."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "INVENTORY_MATCH_"))
    }
    log = folder / "up.log"
    with log.open("wb") as lines:
        process = subprocess.Popen(
            [installed / "inventory-match", "up", "--data", folder / "data"],
            cwd=folder, env=environment, stdout=lines, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + READY_WITHIN_S
        while not any(line.startswith("ready") for line in log.read_text().splitlines()):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield folder / "data"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.mark.timeout(420)
def test_up_reaches_its_ready_line_and_the_doctor_is_content(up: Path, installed: Path) -> None:
    doctor = f". '{up}/environment.sh' && exec '{installed}/inventory-match' doctor"
    found = subprocess.run(["sh", "-c", doctor], cwd=up.parent, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
