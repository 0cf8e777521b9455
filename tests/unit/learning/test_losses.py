"""Every loss and every optimizer teaches a small head what it promises, on photos it has not seen.

The head maps a frozen trunk's features (see `conftest`) to a few dimensions. The figure is the mean average precision of what
should be found: by a held-out photo the known photos of its product; for NT-Xent by a varied view the held-out photo it is
of, among all held-out ones; for MSE the known photos that the teacher finds nearest. It must be clearly above both the
untrained head's and that of the same head taught with shuffled targets: what is learned then is only how features vary.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from inventory_match.domain.errors import ConfigurationError
from inventory_match.learning.losses import TERMS, objective
from inventory_match.learning.optimizers import OPTIMIZERS, optimizer, schedule

from .conftest import DIM, PRODUCTS, Features, nearest, precision

STEPS, CLEARLY = 30, 0.1
RATES = {"sgd": 3e-3, "adam": 1e-3, "adamw": 1e-3, "adagrad": 5e-3}
"""Chosen by the size of a step: each moves an embedding by about its own length at first."""
CLASS_FACTOR = 15
"""Prototypes start anywhere and learn so many times as fast, as in presets."""
CHOICES: dict[str, Any] = {"scale": 16.0, "margin": 0.2, "smoothing": 0.1, "temperature": 0.2}
SHAPE = CHOICES | {"dim": 16, "classes": 8}


def learned(
    known: Features, terms: Mapping[str, float], name: str = "adamw", steps: int = STEPS, **choices: Any
) -> nn.Linear:
    """A head that took `steps` steps, each on all of `known` in the next two of its views."""
    torch.manual_seed(1)
    _, views, width = known.views.shape
    head = nn.Linear(width, DIM)
    wanted = objective(terms, dim=DIM, classes=PRODUCTS, **CHOICES | choices)
    rate = RATES[name]
    groups: list[dict[str, Any]] = [{"params": list(head.parameters())}]
    if any(True for _ in wanted.parameters()):
        groups.append({"params": list(wanted.parameters()), "lr": CLASS_FACTOR * rate, "weight_decay": 0.0})
    chosen = optimizer(name, groups, rate=rate, weight_decay=0.01, momentum=0.9)
    course = schedule(chosen, max(steps, 1), steps // 10)
    for step in range(steps):
        first, second = (functional.normalize(head(known.views[:, (step + n) % views])) for n in range(2))
        loss = wanted(first, known.labels, second_views=second, teacher=known.teacher)
        chosen.zero_grad()
        torch.autograd.backward(loss)
        chosen.step()
        course.step()
    return head


def misled(known: Features) -> Features:
    """Each photo with another's label, another's place at the teacher and views of other photos."""
    torch.manual_seed(2)
    order = [torch.randperm(len(known.labels)) for _ in range(known.views.shape[1] + 2)]
    views = torch.stack([known.views[rows, view] for view, rows in enumerate(order[2:])], dim=1)
    return Features(views, known.labels[order[0]], known.teacher[order[1]])


@torch.no_grad()
def figure(head: nn.Linear, known: Features, asked: Features, terms: Mapping[str, float]) -> float:
    """What the loss promises, on photos it has not seen."""
    mine, theirs = head(asked.views[:, 0]), head(known.views[:, 0])
    if set(terms) == {"nt_xent"}:
        return precision(head(asked.views[:, 1]), mine, torch.eye(len(mine), dtype=torch.bool))
    if set(terms) == {"mse"}:
        return precision(mine, theirs, nearest(asked.teacher, known.teacher))
    return precision(mine, theirs, asked.labels[:, None] == known.labels)


def gains(features: Features, terms: Mapping[str, float], **choices: Any) -> dict[str, float]:
    """How far the taught head is above the untrained one, and above the misled one; means over the splits."""
    figures = []
    for known, asked in features.splits():
        heads = (
            learned(known, terms, **choices),
            learned(known, terms, **choices | {"steps": 0}),
            learned(misled(known), terms, **choices),
        )
        figures.append([figure(head, known, asked, terms) for head in heads])
    taught, untrained, wrongly = (fmean(column) for column in zip(*figures, strict=True))
    return {"above the untrained": taught - untrained, "above the misled": taught - wrongly}


LOSSES: list[Any] = [
    pytest.param({"cross_entropy": 1.0}, {}, id="cross_entropy"),
    pytest.param({"arcface": 1.0}, {}, id="arcface"),
    pytest.param({"triplet": 1.0}, {}, id="triplet-semihard"),
    pytest.param({"triplet": 1.0}, {"miner": "multi_similarity"}, id="triplet-multi_similarity"),
    pytest.param({"nt_xent": 1.0}, {}, id="nt_xent-finds-the-photo-of-a-view"),
    pytest.param({"mse": 1.0}, {}, id="mse-finds-what-the-teacher-finds"),
    pytest.param({"cross_entropy": 1.0, "triplet": 0.5, "nt_xent": 0.3}, {}, id="sum"),
]


@pytest.mark.parametrize(("terms", "choices"), LOSSES)
def test_a_loss_teaches_what_it_is_for(features: Features, terms: dict[str, float], choices: dict[str, Any]) -> None:
    found = gains(features, terms, **choices)
    assert min(found.values()) > CLEARLY, found


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_teaches(features: Features, name: str) -> None:
    found = gains(features, {"cross_entropy": 1.0}, name=name)
    assert min(found.values()) > CLEARLY, found


def batch(classes: int = 8) -> tuple[Tensor, Tensor]:
    torch.manual_seed(3)
    return torch.randn(24, 16), torch.arange(24) % classes


def test_terms_add_up_by_weight_and_share_prototypes() -> None:
    embeddings, labels = batch()
    both = objective({"cross_entropy": 2.0, "arcface": 0.5}, **SHAPE)
    assert len(list(both.parameters())) == 1
    assert both.prototypes is not None
    assert both.prototypes.shape == (8, 16)
    torch.testing.assert_close(both.prototypes.norm(dim=1), torch.ones(8))
    alone = {name: objective({name: 1.0}, **SHAPE) for name in both.weights}
    for one in alone.values():
        one.load_state_dict({name: tensor for name, tensor in both.state_dict().items() if name in one.state_dict()})
    wanted = 2 * alone["cross_entropy"](embeddings, labels) + 0.5 * alone["arcface"](embeddings, labels)
    torch.testing.assert_close(both(embeddings, labels), wanted)


def test_mixed_labels_are_weighed() -> None:
    """The loss of a picture that is half one product and half another is the mean of the losses of both."""
    embeddings, labels = batch()
    loss, other = objective({"cross_entropy": 1.0}, **SHAPE), (labels + 1) % 8
    soft = (functional.one_hot(labels, 8) + functional.one_hot(other, 8)) / 2
    mean = (loss(embeddings, labels) + loss(embeddings, other)) / 2
    torch.testing.assert_close(loss(embeddings, labels, soft_labels=soft), mean)


@pytest.mark.parametrize("term", ["cross_entropy", "arcface", "triplet"])
def test_unlabelled_rows_are_left_out(term: str) -> None:
    embeddings, labels = batch()
    loss = objective({term: 1.0}, **SHAPE)
    partly = torch.where(torch.arange(24) < 20, labels, -1)
    torch.testing.assert_close(loss(embeddings, partly), loss(embeddings[:20], labels[:20]))
    nothing = loss(embeddings.requires_grad_(), torch.full((24,), -1))
    assert nothing.item() == 0
    torch.autograd.backward(nothing)


def test_sixteen_bits_outside_thirty_two_inside() -> None:
    embeddings, labels = batch()
    loss = objective(dict.fromkeys(("cross_entropy", "arcface", "triplet"), 1.0), **SHAPE)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss(embeddings.bfloat16(), labels)
    assert found.dtype == torch.float32
    assert all(parameter.dtype == torch.float32 for parameter in loss.parameters())
    torch.testing.assert_close(found, loss(embeddings.bfloat16().float(), labels))


def test_what_is_missing_or_unknown_is_told() -> None:
    embeddings, labels = batch()
    assert objective({"nt_xent": 1, "mse": 1}, **SHAPE).needs == {"second_views", "teacher"}
    with pytest.raises(ConfigurationError, match=", ".join(TERMS)):
        objective({"contrastive": 1.0}, **SHAPE)
    with pytest.raises(ConfigurationError, match="semihard, multi_similarity"):
        objective({"triplet": 1.0}, **SHAPE, miner="hardest")
    with pytest.raises(ConfigurationError, match="weight 0"):
        objective({"triplet": 0}, **SHAPE)
    with pytest.raises(ConfigurationError, match="needs second_views"):
        objective({"nt_xent": 1.0}, **SHAPE)(embeddings, labels)
    with pytest.raises(ConfigurationError, match="256 dimensions, the loss was made for 16"):
        objective({"mse": 1.0}, **SHAPE)(embeddings, labels, teacher=torch.randn(24, 256))
    with pytest.raises(ConfigurationError, match="arcface wants one label a picture"):
        objective({"arcface": 1.0}, **SHAPE)(embeddings, labels, soft_labels=torch.ones(24, 8) / 8)
    with pytest.raises(ConfigurationError, match="label 2 at least"):
        objective({"arcface": 1.0}, **SHAPE | {"classes": 1})
