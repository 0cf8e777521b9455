"""Figures of several processes add up, and one that cannot be kept costs nothing but the figure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COUNTS = """
import os, sys
from inventory_match import measures
from inventory_match.stages import stage

for _ in range(2):
    if os.fork() == 0:
        for _ in range(3):
            with stage("embed"):
                measures.crops_embedded(4)
        measures.photo_rested(2)
        measures.webhook_posted("failed")
        os._exit(0)
    assert os.wait()[1] == 0
sys.stdout.buffer.write(measures.exposed())
"""


def counted(folder: Path | None, script: str = COUNTS) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    if folder is not None:
        environment["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    argv = [sys.executable, "-c", script]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_figures_of_all_processes_of_a_worker_add_up(tmp_path: Path) -> None:
    told = counted(tmp_path)
    assert "inventory_match_crops_embedded_total 24.0" in told
    assert 'inventory_match_stage_seconds_count{stage="embed"} 6.0' in told
    assert 'inventory_match_photo_attempts_bucket{le="1.0"} 0.0' in told
    assert 'inventory_match_photo_attempts_bucket{le="2.0"} 2.0' in told
    assert 'inventory_match_webhook_posts_total{outcome="failed"} 2.0' in told


def test_a_process_by_itself_counts_in_memory() -> None:
    alone = "import sys; from inventory_match import measures; measures.crops_embedded(4)"
    told = counted(None, f"{alone}; sys.stdout.buffer.write(measures.exposed())")
    assert "inventory_match_crops_embedded_total 4.0" in told


def test_no_file_has_holes_that_a_full_disk_could_not_fill(tmp_path: Path) -> None:
    """A write to a mapped hole on a full disk ends the process."""
    counted(tmp_path)
    files = list(tmp_path.iterdir())
    assert {path.name.partition("_")[0] for path in files} == {"histogram", "counter"}
    assert all(path.stat().st_blocks * 512 >= path.stat().st_size for path in files)


def test_a_photo_goes_on_where_its_figures_cannot_be_kept(tmp_path: Path) -> None:
    lost = """
import resource
from inventory_match import measures
from inventory_match.stages import stage
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # as a full disk: the file cannot have all its bytes
with stage("embed"):
    measures.crops_embedded(1)
print("the photo went on")
"""
    told = counted(tmp_path, lost)
    assert told.count("figures of this process are given up") == 1
    assert told.endswith("the photo went on\n")
    assert "the photo went on" in counted(tmp_path / "gone", lost)


def test_a_worker_that_ends_removes_the_folder_it_made_and_no_other(tmp_path: Path) -> None:
    """The variable is well known: a host may have set it for something else."""
    ended = """
import os
from celery.signals import worker_init, worker_shutdown
from inventory_match_workers import endpoint
worker_init.send(sender=None)
print(os.environ["PROMETHEUS_MULTIPROC_DIR"])
worker_shutdown.send(sender=None)
"""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    assert counted(theirs, ended).strip() == str(theirs)
    assert theirs.is_dir()
    watched = "import os; os.environ['INVENTORY_MATCH_METRICS_PORT'] = '0'"
    ours = Path(counted(theirs, f"{watched}\n{ended}").strip())
    assert "inventory-match-figures-" in ours.name
    assert not ours.exists()
    assert theirs.is_dir()
