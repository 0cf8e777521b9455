"""A camera that was moved: its photo rests for a person, and nothing is counted until it looks as before or is accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from uuid import uuid4

import numpy as np
import pytest
from PIL import Image as Pillow

from inventory_match import camera_view, intake
from inventory_match.db import camera_views, models
from inventory_match.domain.errors import Conflict, NotFound
from inventory_match.domain.photos import Box, ObjectRef, PhotoState, PhotoUploaded
from inventory_match.domain.views import ViewLimits

from .conftest import OPENS, ColourEncoder, Shop
from .scenes import picture, show, slot

HERE = ("AABCDD", "CCDABB", "BADDCA")


@pytest.fixture
def watched(empty_shop: Shop) -> Shop:
    """A camera that finds facings by itself; its views are judged."""
    empty_shop.camera("cam", 0)
    empty_shop.policy(reorder_point=1, clear_point=3, target_level=6)
    empty_shop.rules = replace(empty_shop.rules, views=ViewLimits())
    return empty_shop


@pytest.fixture
def shop(watched: Shop) -> Shop:
    """Three photos of it, which make its usual view."""
    assert [show(watched, *HERE, minute=minute) for minute in range(3)] == [PhotoState.DONE] * 3
    return watched


def tilted(shop: Shop, minute: float, encoder: ColourEncoder | None = None) -> PhotoState | None:
    """The camera shows the lower half of its shelf above, and something else below it; its finder finds the last row there."""
    image = picture(HERE)
    half = image.shape[0] // 2
    image = np.roll(image, half, axis=0)
    boxes = [slot(2, at, 3) for at in range(6)]
    shop.finder.tell(image, _raised(boxes, half / image.shape[0]))
    png = BytesIO()
    Pillow.fromarray(image).save(png, "PNG", compress_level=1)
    key = f"{shop.prefix}/cam/{OPENS + timedelta(minutes=minute):%Y%m%dT%H%M%S}-{uuid4().hex}"
    uploaded = PhotoUploaded(ObjectRef(shop.app.settings.bucket, key, None, uuid4().hex), datetime.now(UTC))
    shop.drawings.photos[uploaded.ref] = png.getvalue()
    [photo_id] = intake.scan([uploaded], shop.app.unit_of_work, shop.kicks, lambda _: None).registered
    return shop.process(photo_id, store=shop.drawings, encoder=encoder or ColourEncoder())


def _raised(boxes: Sequence[Box], by: float) -> list[Box]:
    return [Box(box.x0, box.y0 - by, box.x1, box.y1 - by) for box in boxes]


def newest(shop: Shop) -> int:
    return int(shop.one("select max(id) from inventory_match.photo"))


def accept(shop: Shop, photo_id: int) -> PhotoState | None:
    with shop.app.unit_of_work() as session:
        assert camera_view.accept(session, photo_id) == "cam"
    return shop.process(photo_id, store=shop.drawings)


def test_a_tilted_camera_counts_nothing_until_it_hangs_straight_again(shop: Shop) -> None:
    levels, events = shop.levels(), shop.one("select count(*) from inventory_match.stock_event")
    places = shop.rows("select * from inventory_match.place order by position")

    assert tilted(shop, minute=3) is PhotoState.NEEDS_REVIEW

    cause = shop.one("select cause from inventory_match.photo where id = :id", id=newest(shop))
    assert cause.startswith("the camera seems moved or covered: ")
    assert cause.endswith(f"`inventory-match cameras accept {newest(shop)}`")
    assert shop.levels() == levels
    assert shop.one("select count(*) from inventory_match.stock_event") == events
    assert shop.rows("select * from inventory_match.place order by position") == places
    answers = "select distinct answer from inventory_match.sighting where photo_id = :id"
    assert shop.rows(answers, id=newest(shop)) == [("not_assessable",)]
    assert shop.rows("select * from inventory_match.shelf_facing where photo_id = :id", id=newest(shop)) == []
    assert show(shop, *HERE, minute=4) is PhotoState.DONE


def test_a_shelf_that_is_sold_down_to_nothing_is_no_other_shelf(shop: Shop) -> None:
    assert show(shop, "AABCDD", ".C..B.", "B.....", minute=3) is PhotoState.DONE
    assert show(shop, "......", "......", "......", minute=4) is PhotoState.EMPTY
    assert show(shop, "DDCCBB", "AABBCC", "CDCDCD", minute=5) is PhotoState.DONE


def test_nothing_is_strange_before_there_is_a_usual_view(watched: Shop) -> None:
    assert [show(watched, *HERE, minute=minute) for minute in range(2)] == [PhotoState.DONE] * 2
    assert tilted(watched, minute=2) is PhotoState.DONE


def test_an_accepted_view_counts_and_is_the_usual_one_at_once(shop: Shop) -> None:
    tilted(shop, minute=3)
    moved = newest(shop)

    assert accept(shop, moved) is PhotoState.DONE

    seen = "select count(*) from inventory_match.sighting where photo_id = :id and answer = 'product'"
    assert shop.one(seen, id=moved) == 6
    assert tilted(shop, minute=4) is PhotoState.DONE
    assert show(shop, *HERE, minute=5) is PhotoState.NEEDS_REVIEW, "nobody hung it back and said so"


def test_strange_views_never_become_usual_by_coming_often(shop: Shop) -> None:
    assert [tilted(shop, minute=3 + each) for each in range(4)] == [PhotoState.NEEDS_REVIEW] * 4


def test_another_encoder_starts_afresh(shop: Shop) -> None:
    class Other(ColourEncoder):
        sha256 = "c1" * 32

    record = {"name": "other", "arch": "mean", "sha256": Other.sha256, "dim": 3, "metric": "cosine", "record": {}}
    shop.add(models.Encoder(**record, thresholds={"accept": 0.9, "margin": 0.1}, state="ready"))
    assert tilted(shop, minute=3, encoder=Other()) is PhotoState.DONE
    assert tilted(shop, minute=4) is PhotoState.NEEDS_REVIEW


def test_it_can_be_switched_off(shop: Shop) -> None:
    shop.rules = replace(shop.rules, views=ViewLimits(layout=0))
    assert tilted(shop, minute=3) is PhotoState.DONE


def test_only_the_newest_views_are_kept(shop: Shop) -> None:
    for minute in range(3, camera_views.KEPT + 3):
        show(shop, *HERE, minute=minute)
    kept = shop.rows("select photo_id from inventory_match.camera_view order by 1")
    assert kept == [(photo_id,) for photo_id in range(4, camera_views.KEPT + 4)]


def test_only_photos_of_shelf_cameras_can_be_accepted(shop: Shop) -> None:
    shop.camera("dock", 1, kind="product", regions=[])
    [of_product] = shop.draw_each("A", minutes=[1], camera="dock")
    with shop.app.unit_of_work() as session:
        with pytest.raises(NotFound, match="photo 999 does not exist"):
            camera_view.accept(session, 999)
        with pytest.raises(Conflict, match="is of no shelf camera"):
            camera_view.accept(session, of_product)


def test_a_camera_that_finds_products_where_they_were_has_not_moved(shop: Shop) -> None:
    """However strange it looks: with these limits every view is."""
    shop.rules = replace(shop.rules, views=ViewLimits(similarity=1, layout=1))
    assert show(shop, "AABC..", "CCDA..", "BADD..", minute=3) is PhotoState.DONE
    assert show(shop, *(row[::-1] for row in HERE), minute=4) is PhotoState.NEEDS_REVIEW
