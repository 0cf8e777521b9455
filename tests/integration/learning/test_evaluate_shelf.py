"""`evaluate shelf` on colours: photos whose counts and boxes are known by hand, read by what serves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from sqlalchemy import select

from inventory_match import ports
from inventory_match.annotated import annotated_photo
from inventory_match.bootstrap import App
from inventory_match.cli import main
from inventory_match.db.models import Sighting
from inventory_match.domain.errors import InvalidInput
from inventory_match.domain.matching import Candidate, Evidence, Thresholds, decide
from inventory_match.domain.photos import Box, QualityLimits
from inventory_match.domain.printed import Printed
from inventory_match.learning.evaluate import enrol
from inventory_match.learning.labelled import read_labelled
from inventory_match.learning.shelf_figures import PhotoRead, figures
from inventory_match.learning.shelf_run import Listening, PhotoFolder, Stand, read_shelves
from inventory_match.learning.shelf_truth import read_photos
from inventory_match.pipeline import Eyes
from inventory_match.rendering.designs import product
from inventory_match.rendering.shelf import ShelfLayout, shelf_photo
from inventory_match.rendering.studio import studio_view
from inventory_match.vision.facings import Facings
from inventory_match.vision.far_views import FarViews
from inventory_match.vision.images import crop, decoder
from inventory_match.vision.prints import KnownPrints

from ..pipeline.conftest import ColourEncoder, pack
from .test_evaluate import colour_serving

SIDE = 100
PLACES = [Box(x / 4, 0.25, (x + 1) / 4, 0.75) for x in range(4)]


def shelf(shown: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Four places side by side before a noisy wall, 400 x 200 px."""
    photo = np.random.default_rng(3).integers(90, 150, (2 * SIDE, 4 * SIDE, 3), np.uint8)
    for place, name in enumerate(shown):
        if name != ".":
            tile = Image.fromarray(pack(name)).resize((SIDE, SIDE))
            photo[SIDE // 2 : 3 * SIDE // 2, place * SIDE : (place + 1) * SIDE] = np.asarray(tile)
    return photo


def find(image: ports.Image) -> list[ports.Found]:
    """Satisfies `ports.Finder`: the places that are not wall, less sure of each further to the right."""
    flat = [crop(image, box).reshape(-1, 3).mean(axis=0) for box in PLACES]
    return [ports.Found(box, 0.9 - box.x0) for box, mean in zip(PLACES, flat, strict=True) if np.ptp(mean) > 30]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """References of A and B; a shelf of each answer, one with a stranger, and one too dark to judge."""
    for name in "AB":
        Image.fromarray(pack(name)).save(tmp_path / f"{name}.png")
    for name, shown in {"full": "AAB.", "strange": "A?..", "dark": "AB.."}.items():
        image = shelf(shown) // (40 if name == "dark" else 1)
        Image.fromarray(image.astype(np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "references.csv").write_text("image,sku\nA.png,A\nB.png,B\n")
    (tmp_path / "counts.json").write_text(
        '{"full.png": {"A": 2, "B": 1}, "strange.png": {"A": 1}, "dark.png": {"A": 1}}'
    )
    boxes = [
        "image,sku,x0,y0,x1,y1",
        "full.png,A,0,50,100,150",
        "full.png,A,110,50,200,150",
        "full.png,A,200,50,300,150",
    ]
    (tmp_path / "boxes.csv").write_text("\n".join([*boxes, "full.png,A,300,50,400,150", "dark.png,A,0,50,100,150", ""]))
    return tmp_path


def read(app: App, folder: Path, boxes: Path | None) -> list[tuple[int, PhotoRead]]:
    serving, finder = colour_serving(app), Listening(find)
    enrol(serving, read_labelled(folder / "references.csv"), lambda _done: None)
    eyes = Eyes(app.store, decoder(limits=QualityLimits()), Facings(finder), ColourEncoder(), crop)
    listed = read_photos(folder, folder / "counts.json", boxes)
    return list(read_shelves(Stand(app.unit_of_work, eyes, serving.rules, finder), folder, listed))


def test_counts_and_boxes_come_from_the_tables_that_serving_fills(app: App, folder: Path) -> None:
    photos = {one.photo: one for _, one in read(app, folder, folder / "boxes.csv")}

    assert {name: (one.state, one.counted) for name, one in photos.items()} == {
        "full.png": ("done", {"A": 2, "B": 1}),
        "strange.png": ("done", {"A": 1}),
        "dark.png": ("rejected", {}),
    }
    assert [round(one.score, 2) for one in photos["full.png"].detections] == [0.9, 0.65, 0.4]
    assert "too dark" in str(photos["dark.png"].cause)
    found = figures(list(photos.values()), {"A", "B"}, exhaustive=True)
    assert found.exact_count_rate == pytest.approx(5 / 6), "the dark one's A is missed"
    assert found.exact_present_rate == pytest.approx(3 / 4)
    assert found.count_mape == pytest.approx(1 / 4)
    assert (found.photos_fully_right, found.photos) == (2, 3)
    # Three of five labels are found, all surer than any miss; the third is labelled A and was named B.
    assert found.recall_at_50 == pytest.approx(3 / 5)
    assert found.ap50 == pytest.approx(3 / 5)
    assert found.decided_accuracy == pytest.approx(2 / 3)
    assert found.seconds_per_photo > 0


def test_packs_that_nobody_found_are_found_named_and_counted_by_their_print(app: App, tmp_path: Path) -> None:
    packs = [product(4242, index) for index in range(3)]
    for one in packs:
        studio_view(one, np.random.default_rng(1), plain=True).save(tmp_path / f"{one.sku}.png")
    standing = [packs[index] for index in (0, 0, 1, 2, 2, 2)]
    layout = ShelfLayout(tuple(one.sku for one in standing), 1, len(standing))
    shelf_photo(layout, dict(enumerate(standing)), 7, size=(900, 420)).image.save(tmp_path / "shelf.png")
    (tmp_path / "references.csv").write_text("image,sku\n" + "".join(f"{one.sku}.png,{one.sku}\n" for one in packs))
    true = {one.sku: standing.count(one) for one in packs}
    (tmp_path / "counts.json").write_text(json.dumps({"shelf.png": true}))

    references = read_labelled(tmp_path / "references.csv")
    serving, blind = colour_serving(app), Listening(lambda _: [])
    enrol(serving, references, lambda _done: None)
    known = {one.source: one for one in references}
    prints = KnownPrints(lambda ref: known[ref.key].pixels(decoder()))
    far = FarViews(lambda ref: known[ref.key].pixels(decoder()))
    eyes = Eyes(app.store, decoder(limits=QualityLimits()), Facings(blind), ColourEncoder(), crop, prints, far)
    listed = read_photos(tmp_path, tmp_path / "counts.json", None)
    [(photo_id, read_)] = read_shelves(Stand(app.unit_of_work, eyes, serving.rules, blind), tmp_path, listed)
    assert (read_.state, read_.counted) == ("done", true)

    with app.unit_of_work() as session:
        kept = session.scalars(select(Sighting).where(Sighting.photo_id == photo_id)).all()
        assert [row.position for row in kept] == [1, 2, 3, 4, 5, 6]
        for row in kept:  # what an auditor does
            assert row.printed is not None
            assert row.thresholds is not None
            candidates = tuple(Candidate(each["sku"], each["similarity"]) for each in row.candidates)
            said, thresholds = Printed.from_mapping(row.printed), Thresholds.from_mapping(row.thresholds)
            again = decide(Evidence(candidates, printed=said), thresholds)
            assert (again.sku, again.rule) == (row.sku, row.rule)


def test_a_measured_photo_can_be_drawn_from_its_folder(app: App, folder: Path) -> None:
    [(photo_id, _), *_] = read(app, folder, None)
    with app.unit_of_work() as session:
        drawn = annotated_photo(session, PhotoFolder(folder), photo_id, "full.png")
    assert drawn.width > 400, "its row has a number in the margin"


def test_a_box_outside_its_photo_stops_it_with_file_and_line(app: App, folder: Path) -> None:
    (folder / "boxes.csv").write_text("image,sku,x0,y0,x1,y1\nfull.png,A,0,50,900,150\n")
    with pytest.raises(InvalidInput, match=r"boxes\.csv:2: .*leaves full\.png, which is 400 x 200 px"):
        read(app, folder, folder / "boxes.csv")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--exhaustive"], "--exhaustive says something of --boxes"),
        ([], "give --counts, --boxes, or both"),
        (["--counts", "{}/none.json"], "none.json' does not exist"),
    ],
)
def test_the_command_says_what_is_missing(folder: Path, options: list[str], told: str) -> None:
    given = [option.format(folder) for option in options]
    command = ["evaluate", "shelf", "--references", str(folder / "references.csv"), "--photos", str(folder), *given]
    result = CliRunner().invoke(main, command)
    assert result.exit_code != 0
    assert told in result.output
