"""`cameras accept`: what a moved camera sees is usual from now on, and its photo is tried again."""

from __future__ import annotations

from datetime import UTC, datetime

from inventory_match.bootstrap import App
from inventory_match.db import models
from inventory_match.domain.photos import PhotoState

from .conftest import Run

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_an_accepted_photo_is_tried_again(app: App, run: Run) -> None:
    with app.unit_of_work() as session:
        session.add(models.Store(store="s1", name="Shop 1"))
        session.flush()
        session.add(models.Location(store="s1", location="bay", name="Bay"))
        session.flush()
        session.add(models.Camera(camera="cam", store="s1", location="bay", kind="shelf", key_pattern="cam/"))
        photo = models.Photo(
            bucket="b", key="cam/1.jpg", version="1", etag="1", source="scan", event_time=AT, captured_at=AT,
            captured_source="event", camera="cam", store="s1", location="bay", state=PhotoState.NEEDS_REVIEW,
        )  # fmt: skip
        session.add(photo)
        session.flush()
        photo_id = photo.id

    told = run("cameras", "accept", str(photo_id)).output

    assert f"camera cam: photo {photo_id} is its usual view now" in told
    assert "photos redrive --state needs_review --camera cam" in told
    with app.unit_of_work() as session:
        assert session.get_one(models.Photo, photo_id).state == PhotoState.REGISTERED
    again = run("cameras", "accept", str(photo_id), code=1).output
    assert "is registered, or its picture is gone" in again
    assert "photo 999999 does not exist" in run("cameras", "accept", "999999", code=1).output
