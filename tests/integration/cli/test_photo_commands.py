"""Photos by command: the scan that finds what no event announced, another try, and messages nobody could read."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image
from sqlalchemy import select, text

from inventory_match.bootstrap import App
from inventory_match.db import photos as rows
from inventory_match.db import resting
from inventory_match.db.models import Camera, Photo, Sighting
from inventory_match.domain.photos import PhotoState

from .conftest import Run

pytestmark = pytest.mark.usefixtures("shop")


@pytest.fixture
def folder(app: App) -> str:
    """A prefix of this test's own in the bucket, watched by camera `c1`."""
    name = uuid4().hex
    with app.unit_of_work() as session:
        session.add(Camera(camera="c1", store="s1", location="shelf", kind="shelf", key_pattern=f"{name}/"))
    return name


def states(app: App) -> list[str]:
    with app.unit_of_work() as session:
        return list(session.scalars(text("select state from inventory_match.photo order by id")))


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.1)


def test_scan_finds_the_gap_and_finds_it_once(app: App, run: Run, folder: str) -> None:
    for name in ("a", "b [x]", "ü+1"):
        app.store.put(app.settings.bucket, f"{folder}/{name}.jpg", name.encode())
    first = run("photos", "scan", f"s3://{app.settings.bucket}/{folder}/").output
    assert "The gap: 3 photos" in first
    assert states(app) == ["registered"] * 3
    assert "The gap: 0 photos" in run("photos", "scan", f"s3://{app.settings.bucket}/{folder}/").output
    listed = run("photos", "list", "--camera", "c1").output
    assert f"{folder}/b [x].jpg" in listed
    assert f"{folder}/ü+1.jpg" in run("photos", "show", "3").output


def test_what_no_camera_claims_is_kept_unrouted(app: App, run: Run) -> None:
    prefix = uuid4().hex
    app.store.put(app.settings.bucket, f"{prefix}/a.jpg", b"a")
    run("photos", "scan", f"s3://{app.settings.bucket}/{prefix}")
    assert states(app) == ["unrouted"]


def test_scan_refuses_foreign_buckets_and_what_is_no_address(run: Run) -> None:
    assert "'elsewhere' is not one of shelf-photos" in run("photos", "scan", "s3://elsewhere/x", code=1).output
    assert "is not an S3 address" in run("photos", "scan", "shelf-photos", code=1).output


def test_redrive_gives_dead_photos_another_try(app: App, run: Run, folder: str) -> None:
    app.store.put(app.settings.bucket, f"{folder}/a.jpg", b"a")
    run("photos", "scan", f"s3://{app.settings.bucket}/{folder}/")
    assert "0 of 1" in run("photos", "redrive", "1").output  # it waits already
    with app.unit_of_work() as session:
        photo = rows.claim(session, 1, timedelta(minutes=5), 5)
        assert photo is not None
        rows.finish(session, photo, PhotoState.DEAD, "tried in vain")
    listed = run("photos", "list", "--state", "dead").output
    assert "tried in vain" in listed
    assert "a person: all its attempts are used up" in listed
    assert "1 of 1" in run("photos", "redrive", "--state", "dead").output
    assert states(app) == ["registered"]
    assert "say which photos" in run("photos", "redrive", code=1).output
    assert "not 77" in run("photos", "redrive", "77").output


def test_redrive_takes_what_came_to_rest_in_a_time(app: App, run: Run) -> None:
    """Five photos died: four, three, two, one and no hours ago; the newest but one has lost its camera."""
    dead = text(
        "insert into inventory_match.photo (bucket, key, version, etag, source, event_time, captured_at, captured_source,"
        " state, finished_at, attempts, camera, store, location) select 'b', 'k', v, 'e', 'event', now(), now(), 'event',"
        " 'dead', now() - (5 - v) * interval '1 hour', 8, case when v = 4 then null else 'c1' end, 's1', 'shelf'"
        " from generate_series(1, 5) v"
    )
    with app.unit_of_work() as session:
        session.execute(dead)
        chosen = resting.Chosen("dead")
        assert [resting.at_rest(session, chosen, after, 2) for after in (0, 2, 5)] == [[1, 2], [3, 4], []]
    assert "0 of 0 photos" in run("photos", "redrive", "--state", "dead", "--camera", "c2").output
    assert "0 of 0 photos" in run("photos", "redrive", "--state", "dead", "--until", "2026-03-01T00:00").output
    output = run("photos", "redrive", "--state", "dead", "--since", "210m", "--until", "30m").output
    assert "2 of 3 photos are tried again" in output
    assert "not 4: unknown, waiting already, without a camera" in output
    assert states(app) == ["dead", "registered", "registered", "dead", "dead"]
    assert "2 of 3" in run("photos", "redrive", "--state", "dead", "--since", "2026-03-01T00:00").output
    assert "choose among photos of one state" in run("photos", "redrive", "1", "--since", "2h", code=1).output
    assert "'lately' is no time" in run("photos", "redrive", "--state", "dead", "--since", "lately", code=2).output


def test_rejected_messages_can_be_read(app: App, run: Run) -> None:
    with app.unit_of_work() as session:
        rows.record_rejected(session, "m1", "[bold]no json", "not JSON")
    assert "[bold]no json" in run("photos", "rejected-messages").output
    assert "m1: not JSON\n    [bold]no json" in run("photos", "rejected-messages", "--full").output


def test_an_unknown_photo_is_told(run: Run) -> None:
    assert "photo 5 does not exist" in run("photos", "show", "5", code=1).output


def test_intake_registers_what_is_uploaded_and_stops_when_told(
    app: App, environment: dict[str, str], folder: str
) -> None:
    argv = [sys.executable, "-m", "inventory_match", "intake"]
    with subprocess.Popen(argv, cwd=Path(__file__).parents[3], env={**os.environ, **environment}) as intake:
        try:
            app.store.put(app.settings.bucket, f"{folder}/a.jpg", b"a")
            until(lambda: "registered" in states(app))
        finally:
            intake.send_signal(signal.SIGTERM)
        assert intake.wait(10) == 0


def test_draw_shows_what_was_seen_where(app: App, run: Run, folder: str, tmp_path: Path) -> None:
    jpeg = io.BytesIO()
    Image.new("RGB", (200, 100), (240, 240, 240)).save(jpeg, "JPEG")
    app.store.put(app.settings.bucket, f"{folder}/a.jpg", jpeg.getvalue())
    run("photos", "scan", f"s3://{app.settings.bucket}/{folder}/")
    with app.unit_of_work() as session:
        [photo] = session.scalars(select(Photo.id))
        box = {"x0": 0.5, "y0": 0.0, "x1": 1.0, "y1": 1.0}
        session.add(Sighting(photo_id=photo, position=0, answer="void", rule="empty", **box))
    out = tmp_path / "seen.png"
    run("photos", "draw", str(photo), "-o", str(out))
    with Image.open(out) as drawn:
        below_the_title = drawn.height - 100
        empty, untouched = (drawn.getpixel((x, below_the_title + 80)) for x in (150, 50))
    assert isinstance(empty, tuple)
    assert isinstance(untouched, tuple)
    assert empty[0] > empty[1] + 20, "an empty place is tinted red"
    assert min(untouched) > 225, "the rest is left as it is"
    assert "does not exist" in run("photos", "draw", "999", "-o", str(out), code=1).output


def test_a_photo_that_retention_let_go_is_said_to_be_gone(app: App, run: Run, folder: str, tmp_path: Path) -> None:
    app.store.put(app.settings.bucket, f"{folder}/a.jpg", b"a")
    run("photos", "scan", f"s3://{app.settings.bucket}/{folder}/")
    with app.unit_of_work() as session:
        [photo] = session.scalars(select(Photo))
        photo.expired_at = datetime(2026, 3, 1, tzinfo=UTC)
        photo_id = photo.id

    told = run("photos", "draw", str(photo_id), "-o", str(tmp_path / "gone.png"), code=1).output

    assert f"photo {photo_id} was let go on 2026-03-01" in told
    assert not (tmp_path / "gone.png").exists()
