"""The loss that forgives, photos varied with their boxes, and a course that goes on where it was cut short."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

from inventory_match.learning.detection.course import Course, Lessons, detector_to_teach, teach
from inventory_match.learning.detection.losses import ForgivingHead
from inventory_match.learning.detection.photos import Boxed
from inventory_match.learning.detection.variation import Sample, varied

if TYPE_CHECKING:
    from pathlib import Path

ANCHORS = torch.tensor([[8.0 * x, 0.0, 8.0 * x + 8, 8.0] for x in range(4)])
"""Four places in a row, centres at x = 4, 12, 20, 28."""


def objectness(logits: list[float], *, exhaustive: bool, doubtful: list[list[float]] | None = None) -> float:
    """The classification loss of four places of which the first answers for a box."""
    out = {
        "cls_logits": torch.tensor(logits)[None, :, None],
        "bbox_regression": torch.ones(1, 4, 4),
        "bbox_ctrness": torch.zeros(1, 4, 1),
    }
    target = {
        "boxes": torch.tensor([[0.0, 0, 8, 8]]),
        "labels": torch.zeros(1, dtype=torch.int64),
        "doubtful": torch.tensor(doubtful or []).reshape(-1, 4),
        "exhaustive": torch.tensor(exhaustive),
    }
    losses = ForgivingHead(32).compute_loss([target], out, [ANCHORS], [torch.tensor([0, -1, -1, -1])])
    return float(losses["classification"])


def test_what_it_finds_beside_the_boxes_is_punished_only_where_all_have_one() -> None:
    quiet, finds = [3.0, -4.0, -4.0, -4.0], [3.0, -4.0, 2.0, -4.0]
    assert objectness(finds, exhaustive=True) > objectness(quiet, exhaustive=True) + 0.5
    assert objectness(finds, exhaustive=False) < objectness(quiet, exhaustive=False)


def test_background_it_takes_for_background_is_still_taught() -> None:
    assert objectness([3.0, -1.5, -1.5, -1.5], exhaustive=False) > objectness([3.0, -6.0, -6.0, -6.0], exhaustive=False)


def test_a_doubtful_place_is_neither_right_nor_wrong() -> None:
    doubtful = [[16.0, 0, 24, 8]]
    scores = [objectness([3.0, -4.0, logit, -4.0], exhaustive=True, doubtful=doubtful) for logit in (-4.0, 2.0)]
    assert scores[0] == pytest.approx(scores[1])


def test_a_missed_box_is_punished_in_every_photo() -> None:
    assert (
        objectness([-3.0, -4.0, -4.0, -4.0], exhaustive=False)
        > objectness([3.0, -4.0, -4.0, -4.0], exhaustive=False) + 0.5
    )


def marked() -> Sample:
    """A blue picture with one red box."""
    pixels = np.full((120, 160, 3), (20, 20, 200), np.uint8)
    pixels[30:90, 40:100] = (220, 20, 20)
    return Sample(
        Image.fromarray(pixels), np.array([[40, 30, 100, 90]], np.float32), np.zeros((0, 4), np.float32), True
    )


@pytest.mark.parametrize("pieces", [1, 4])
def test_boxes_go_with_their_pixels(pieces: int) -> None:
    for seed in range(25):
        made = varied([marked()] * pieces, np.random.default_rng(seed), 160)
        pixels = np.asarray(made.picture, np.float32)
        for left, top, right, bottom in made.boxes.round().astype(int):
            box, whole = pixels[top:bottom, left:right], np.concatenate([made.boxes, made.doubtful])
            inside = box.reshape(-1, 3).std(axis=0).mean()
            assert inside < 40, f"seed {seed}: a box holds more than its pack"
            assert right <= made.picture.width + 0.5
            assert bottom <= made.picture.height + 0.5
            assert len(whole) >= 1


def photos(folder: Path) -> list[Boxed]:
    made = []
    for number in range(4):
        sample = marked()
        path = folder / f"{number}.png"
        sample.picture.save(path)
        made.append(Boxed(path, sample.boxes, sample.doubtful, True))
    return made


def test_a_lesson_hangs_on_seed_and_number_alone(tmp_path: Path) -> None:
    source, course = photos(tmp_path), Course(4, batch=2, seed=3)
    whole, later = Lessons([source], course), Lessons([source], course, first=2)
    assert len(later) == 4
    assert torch.equal(whole[5][0], later[1][0])
    assert not torch.equal(whole[4][0], whole[5][0]) or whole[4][0].shape != whole[5][0].shape


def test_a_course_cut_short_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    source = photos(tmp_path)

    def taught(name: str, ends: list[int]) -> torch.Tensor:
        for steps in ends:
            torch.manual_seed(1)
            detector = detector_to_teach()
            course = Course(2, batch=1, seed=3, warm_up=1)
            learned = teach(
                detector, [source], course, tmp_path / f"{name}.pt", workers=0, device=torch.device("cpu"),
                told=lambda *_: None, stop_at=steps,
            )  # fmt: skip
        first: torch.Tensor = next(learned.head.parameters()).detach()
        return first

    whole, resumed = taught("whole", [2]), taught("resumed", [1, 2])
    assert torch.equal(whole, resumed)
    assert not torch.equal(whole, taught("half", [1]))
