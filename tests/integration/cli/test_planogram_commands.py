"""Planograms by command: applied, shown, checked against what was seen, ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import text

from inventory_match.bootstrap import App
from inventory_match.db.models import Camera, Photo, ShelfFacing
from inventory_match.db.models.base import SCHEMA
from inventory_match.domain.photos import PhotoState

from .conftest import Run

pytestmark = pytest.mark.usefixtures("shop")
PLAN = '[[rows]]\npositions = [{ sku = "tea", facings = 2 }, "jam"]\n'
SHELF = ("--store", "s1", "--location", "shelf")


@pytest.fixture
def plan(tmp_path: Path) -> str:
    path = tmp_path / "snacks.toml"
    path.write_text(PLAN)
    return str(path)


@pytest.fixture
def photo(app: App) -> int:
    """A settled photo of camera `c1`: tea, the bare shelf, jam."""
    with app.unit_of_work() as session:
        session.add(Camera(camera="c1", store="s1", location="shelf", kind="shelf", key_pattern="c1/"))
        now = session.scalar(text("select now()"))
        photo = Photo(
            bucket="b", key="k", version="v", etag="e", source="event", event_time=now, captured_at=now,
            captured_source="key", state=PhotoState.DONE, camera="c1", store="s1", location="shelf",
        )  # fmt: skip
        session.add(photo)
        session.flush()
        for place, sku in enumerate(("tea", None, "jam"), 1):
            session.add(
                ShelfFacing(
                    photo_id=photo.id,
                    position=place,
                    store="s1",
                    location="shelf",
                    camera="c1",
                    shelf_row=1,
                    place_in_row=place,
                    x0=place / 10,
                    y0=0.1,
                    x1=place / 10 + 0.1,
                    y1=0.9,
                    answer="product" if sku else "void",
                    sku=sku,
                    captured_at=now,
                )
            )
        return photo.id


def test_a_plan_is_applied_shown_listed_and_ended(run: Run, plan: str) -> None:
    applied = run("planogram", "apply", plan, *SHELF, "--by", "ann").output
    assert "planogram 1 'snacks' is in force: 1 rows, 3 facings; 0 photos judged by it" in applied
    assert "nothing to change" in run("planogram", "apply", plan, *SHELF).output
    shown = run("planogram", "show", *SHELF).output
    assert "'snacks' of location shelf of store s1" in shown
    assert "tea" in shown
    assert "ann" in run("planogram", "list").output

    assert "has ended" in run("planogram", "remove", *SHELF).output
    assert "has no planogram of its own" in run("planogram", "remove", *SHELF).output
    assert "ann" not in run("planogram", "list").output
    assert "ann" in run("planogram", "list", "--all").output
    assert "until" in run("planogram", "show", "1").output
    assert "no planogram is in force" in run("planogram", "show", *SHELF, code=1).output


def test_a_check_tells_what_is_not_as_planned_and_sql_says_the_same(app: App, run: Run, plan: str, photo: int) -> None:
    assert "nothing is expected there" in run("planogram", "check").output
    assert "1 photos judged by it" in run("planogram", "apply", plan, "--camera", "c1").output

    told = run("planogram", "check", *SHELF).output
    assert "compliance 66.7%: 2 of 3 assessed, 3 eligible (0 need review, 0 not assessable)" in told
    assert "1 missing, 1 gaps, 0 extra" in told
    assert "bare shelf" in told
    assert "Jam" not in told
    assert "Jam" in run("planogram", "check", "--photo", str(photo), "--all").output

    [shelf] = json.loads(run("planogram", "check", "--json", "--camera", "c1").output)["shelves"]
    assert [one["verdict"] for one in shelf["positions"]] == ["compliant", "missing", "compliant"]
    with app.unit_of_work() as session:
        [row] = session.execute(text(f"select * from {SCHEMA}.planogram_score")).mappings()
    assert {key: shelf[key] for key in row if key != "captured_at"} == {
        k: v for k, v in row.items() if k != "captured_at"
    }


def test_what_names_no_shelf_is_told(run: Run, plan: str) -> None:
    for options in ((), ("--store", "s1"), ("--camera", "c1", *SHELF)):
        assert (
            "say which shelf (give --camera, or --store and --location)"
            in run("planogram", "apply", plan, *options, code=1).output
        )
    assert "'c9' is no shelf camera" in run("planogram", "apply", plan, "--camera", "c9", code=1).output
    assert (
        "there is no location attic of store s1"
        in run("planogram", "apply", plan, "--store", "s1", "--location", "attic", code=1).output
    )
    assert "photo 77 does not exist" in run("planogram", "check", "--photo", "77", code=1).output
    assert "planogram 77 does not exist" in run("planogram", "show", "77", code=1).output
