"""The disk of the embedded Postgres is full: work that cannot be written is put off, and done once there is room again.

Needs a small file system of its own, which only root may mount. What S3 does on a full disk: see
`tests/integration/embedded/test_object_store.py`.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from inventory_match.bootstrap import App, migrations
from inventory_match.db import migrate
from inventory_match.domain.errors import ServiceUnavailable
from inventory_match.domain.photos import PhotoState
from inventory_match.embedded.machine import Machine

from .conftest import Shop, settings_of, stocked

SIZE_MIB = 160
PLACES = 24
"""Many regions a photo: its sightings soon need another page of the disk."""


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A folder that holds 160 MiB and no more."""
    folder = Path(tempfile.mkdtemp(prefix="inventory-match-test-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m,mode=711", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip(f"no file system of a given size can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


@pytest.fixture
def cramped(small_disk: Path) -> Iterator[Shop]:
    """A shop whose machine keeps everything on the small disk; `wide` watches many places."""
    with Machine(small_disk) as machine:
        app = App(settings_of(machine))
        migrate.upgrade(app.engine, migrations())
        shop = stocked(app)
        shop.camera("wide", PLACES)
        yield shop
        app.engine.dispose()


def fill(disk: Path) -> Path:
    """Takes what is left of the disk."""
    ballast = disk / "ballast"
    free = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_bsize)
    return ballast


def test_what_a_full_disk_does_not_take_is_put_off_and_done_once_there_is_room(cramped: Shop, small_disk: Path) -> None:
    shelf = "ABCD" * (PLACES // 4)
    photos = cramped.draw_each(*shelf, minutes=range(40), camera="wide")
    assert cramped.process(photos[0], store=cramped.drawings) is PhotoState.DONE
    ballast = fill(small_disk)
    complaints = []
    for photo_id in photos[1:]:
        try:
            state = cramped.process(photo_id, store=cramped.drawings)
        except ServiceUnavailable as error:  # not even the failure could be written
            complaints.append(str(error))
        else:
            if state is PhotoState.REGISTERED:
                [[cause]] = cramped.rows("select cause from inventory_match.photo where id = :id", id=photo_id)
                complaints.append(str(cause))
        if len(complaints) >= 2:
            break
    assert len(complaints) == 2, "the disk was never full"
    assert all("No space left on device" in said and "free space on the disk" in said for said in complaints), (
        complaints
    )
    whole = (
        "select (select count(*) from inventory_match.sighting) = :places * done and (select count(*)"
        " from inventory_match.stock_event) = 4 * done from (select count(*) as done from inventory_match.photo"
        " where state = 'done') photos"
    )
    assert cramped.one(whole, places=PLACES), "of the others nothing is written"

    ballast.unlink()
    cramped.rows("update inventory_match.photo set next_attempt_at = now() where state <> 'done' returning id")
    for photo_id in photos:
        cramped.process(photo_id, store=cramped.drawings)
    assert cramped.rows("select distinct state from inventory_match.photo") == [("done",)]
    assert cramped.one(whole, places=PLACES)
