"""The pictures of the demo: photos of the day with what the system saw in them, and one page of the best four."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from sqlalchemy import text

from inventory_match.annotated import annotated_photo
from inventory_match.demo.day import OPENS, TICK

if TYPE_CHECKING:
    from inventory_match.bootstrap import App

CHAPTERS = (
    (0, "08:00 the shop opens: every facing is matched"),
    (5, "10:30 a shopper stands in front: hidden regions lower nothing"),
    (14, "15:00 sold out: reorder opened, stock.low and stock.out sent"),
    (18, "17:00 filled up again: stock.recovered"),
)
"""Ticks of the first camera worth a picture, and what happens there."""


def write_album(app: App, folder: Path, camera: str) -> list[Path]:
    """One annotated JPEG a chapter and `day.jpg` with all of them; returns the paths, the page first."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [(tick, _picture(app, camera, tick, f"{camera}  {title}")) for tick, title in CHAPTERS]
    page = folder / "day.jpg"
    _page([picture for _, picture in pictures]).save(page, quality=88)
    paths = [page]
    for tick, picture in pictures:
        paths.append(folder / f"{camera}-{OPENS + tick * TICK:%H%M}.jpg")
        picture.save(paths[-1], quality=90)
    return paths


def _picture(app: App, camera: str, tick: int, title: str) -> Image.Image:
    with app.unit_of_work() as session:
        photo_id = session.execute(
            text(
                "select id from inventory_match.photo where camera = :camera and captured_at = :at and state = 'done'"
            ),
            {"camera": camera, "at": OPENS + tick * TICK},
        ).scalar_one()
        return annotated_photo(session, app.store, photo_id, title)


def _page(pictures: Sequence[Image.Image], width: int = 720, gap: int = 8) -> Image.Image:
    height = round(pictures[0].height * width / pictures[0].width)
    page = Image.new("RGB", (2 * width + gap, -(-len(pictures) // 2) * (height + gap) - gap), (255, 255, 255))
    for i, picture in enumerate(pictures):
        place = (i % 2 * (width + gap), i // 2 * (height + gap))
        page.paste(picture.resize((width, height), Image.Resampling.LANCZOS), place)
    return page
