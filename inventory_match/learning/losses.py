"""What a training step is judged by: a weighted sum of terms over one batch of embeddings.

Losses and miners are pytorch-metric-learning's wherever it has them; cross-entropy is torch's own, over cosines to one
prototype a class, because label smoothing and mixed labels are torch's. Every term sees 32-bit floats, also where the
network runs in 16 bits: a softmax over sharpened cosines loses its small differences in fewer.

| term | what it asks | source |
|---|---|---|
| cross_entropy | near the prototype of the own class, by cosine | Wang et al., NormFace, ACM MM 2017 |
| arcface | the same, by a margin in angle | Deng et al., ArcFace, CVPR 2019 |
| triplet | nearer to the own class than to the next, by a margin in distance | Schroff et al., FaceNet, CVPR 2015 |
| nt_xent | nearer to the other view of the same photo than to any other photo | Chen et al., SimCLR, ICML 2020 |
| mse | where a teacher puts the same photo | Romero et al., FitNets, ICLR 2015 |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import torch
from pytorch_metric_learning import losses, miners
from torch import Tensor, nn
from torch.nn import functional

from inventory_match.domain.errors import ConfigurationError

UNLABELLED = -1
"""The label of a photo nobody has named: supervised terms leave it out."""
MINERS = ("semihard", "multi_similarity")


@dataclass(frozen=True, slots=True)
class Batch:
    """Embeddings (n, dim) and labels (n,), and what some terms need besides: embeddings of second views (n, dim), a
    teacher's embeddings (n, its dim), the share of each class in mixed pictures (n, classes)."""

    embeddings: Tensor
    labels: Tensor
    second_views: Tensor | None = None
    teacher: Tensor | None = None
    soft_labels: Tensor | None = None

    def labelled(self) -> Batch:
        """The rows that have a label, without what only unsupervised terms use."""
        rows = self.labels != UNLABELLED
        soft = None if self.soft_labels is None else self.soft_labels[rows]
        return Batch(self.embeddings[rows], self.labels[rows], soft_labels=soft)


class Objective(nn.Module):
    """The weighted sum of terms; its parameters (prototypes, a projection) are learned beside the network's.

    Made by `objective`. `needs` says which of `second_views` and `teacher` each call must bring.
    """

    def __init__(
        self, weights: Mapping[str, float], terms: Mapping[str, nn.Module], class_weights: nn.Parameter | None
    ) -> None:
        super().__init__()
        self.weights = dict(weights)
        self.terms = nn.ModuleDict(terms)
        self.class_weights = class_weights
        self.needs = frozenset(_NEEDS[name] for name in weights if name in _NEEDS)

    @property
    def prototypes(self) -> Tensor | None:
        """One L2-normalised row a class, (classes, dim); None where no term learns any."""
        return None if self.class_weights is None else functional.normalize(self.class_weights.T)

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        *,
        second_views: Tensor | None = None,
        teacher: Tensor | None = None,
        soft_labels: Tensor | None = None,
    ) -> Tensor:
        """The loss, a scalar, of embeddings (n, dim) with labels (n,), -1 where there is none.

        A batch without a labelled row costs supervised terms nothing. Raises ConfigurationError for an ingredient that
        is missing, and for mixed pictures (`soft_labels`, rows that sum to 1) with a term that wants one label each.
        """
        with torch.autocast(embeddings.device.type, enabled=False):
            batch = Batch(embeddings.float(), labels, _floats(second_views), _floats(teacher), _floats(soft_labels))
            self._check(batch)
            return torch.stack([weight * self._term(name, batch) for name, weight in self.weights.items()]).sum()

    def _term(self, name: str, batch: Batch) -> Tensor:
        if name in _SUPERVISED:
            batch = batch.labelled()
            if not len(batch.labels):
                return batch.embeddings.sum()  # of nothing: 0, and still part of the graph
        return cast("Tensor", self.terms[name](batch))

    def _check(self, batch: Batch) -> None:
        unmixable = [name for name in self.weights if name in _SUPERVISED and name != "cross_entropy"]
        if batch.soft_labels is not None and unmixable:
            raise ConfigurationError(
                f"{_choices(unmixable)} wants one label a picture, mixed pictures (CutMix, MixUp) have several; "
                "switch mixing off, or use cross_entropy"
            )


def objective(
    terms: Mapping[str, float],
    *,
    dim: int,
    classes: int,
    scale: float,
    margin: float,
    smoothing: float,
    temperature: float,
    miner: str = "semihard",
    teacher_dim: int | None = None,
) -> Objective:
    """The sum of `terms`, name to weight, over embeddings of `dim` dimensions and labels below `classes`.

    `scale` sharpens the cosines of cross_entropy and arcface before their softmax; `margin` is an angle in radians to
    arcface and a distance between normalised embeddings (0..2) to triplet, whose triplets `miner` picks: "semihard"
    (Schroff et al.) or "multi_similarity" (Wang et al., CVPR 2019). `smoothing` is cross_entropy's share for the other
    classes, `temperature` that of nt_xent. `teacher_dim`, where it is not `dim`, gives mse a learned linear map to the
    teacher's space. cross_entropy and arcface share their prototypes. Raises ConfigurationError for a term or miner
    that does not exist, a weight that is not above 0, fewer than two classes where prototypes are learned.
    """
    _check_terms(terms, miner)
    shared = nn.Parameter(torch.randn(dim, classes))  # as pytorch-metric-learning lays them out
    learned = not _WITH_PROTOTYPES.isdisjoint(terms)
    if learned and classes < 2:
        raise ConfigurationError(f"{_choices(terms)} tells classes apart, and there are {classes}; label 2 at least")
    make: dict[str, Callable[[], nn.Module]] = {
        "cross_entropy": lambda: _CrossEntropy(shared, scale, smoothing),
        "arcface": lambda: _ArcFace(shared, scale, margin),
        "triplet": lambda: _Triplet(margin, miner),
        "nt_xent": lambda: _NTXent(temperature),
        "mse": lambda: _TowardsTeacher(dim, teacher_dim or dim),
    }
    return Objective(terms, {name: make[name]() for name in terms}, shared if learned else None)


class _CrossEntropy(nn.Module):
    def __init__(self, class_weights: nn.Parameter, scale: float, smoothing: float) -> None:
        super().__init__()
        self.class_weights, self.scale, self.smoothing = class_weights, scale, smoothing

    def forward(self, batch: Batch) -> Tensor:
        cosines = functional.normalize(batch.embeddings) @ functional.normalize(self.class_weights, dim=0)
        target = batch.labels if batch.soft_labels is None else batch.soft_labels
        return functional.cross_entropy(self.scale * cosines, target, label_smoothing=self.smoothing)


class _ArcFace(nn.Module):
    def __init__(self, class_weights: nn.Parameter, scale: float, margin: float) -> None:
        super().__init__()
        dim, classes = class_weights.shape
        self.loss = losses.ArcFaceLoss(classes, dim, margin=math.degrees(margin), scale=scale)
        self.loss.W = class_weights

    def forward(self, batch: Batch) -> Tensor:
        return cast("Tensor", self.loss(batch.embeddings, batch.labels))


class _Triplet(nn.Module):
    def __init__(self, margin: float, miner: str) -> None:
        super().__init__()
        self.loss = losses.TripletMarginLoss(margin=margin)
        semihard = miner == "semihard"
        self.miner = miners.TripletMarginMiner(margin, "semihard") if semihard else miners.MultiSimilarityMiner()

    def forward(self, batch: Batch) -> Tensor:
        picked = self.miner(batch.embeddings, batch.labels)
        return cast("Tensor", self.loss(batch.embeddings, batch.labels, picked))


class _NTXent(nn.Module):
    """The library's SupCon, which with one positive an anchor is NT-Xent to the letter (Khosla et al., NeurIPS 2020) and needs
    memory by the square of the batch: its NTXentLoss pairs every positive with every negative, by the cube."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.loss = losses.SelfSupervisedLoss(losses.SupConLoss(temperature=temperature))

    def forward(self, batch: Batch) -> Tensor:
        return cast("Tensor", self.loss(batch.embeddings, _present(batch.second_views, "second_views")))


class _TowardsTeacher(nn.Module):
    """The squared distance to the teacher's embedding, mean over the batch: summed over dimensions, because the mean
    over 256 dimensions of unit vectors is too small to weigh against the other terms."""

    def __init__(self, dim: int, teacher_dim: int) -> None:
        super().__init__()
        self.project = nn.Identity() if dim == teacher_dim else nn.Linear(dim, teacher_dim)
        self.teacher_dim = teacher_dim

    def forward(self, batch: Batch) -> Tensor:
        teacher = _present(batch.teacher, "teacher")
        if teacher.shape[1] != self.teacher_dim:
            raise ConfigurationError(
                f"the teacher's embeddings have {teacher.shape[1]} dimensions, the loss was made for {self.teacher_dim}; "
                "say teacher_dim"
            )
        return functional.mse_loss(self.project(batch.embeddings), teacher, reduction="sum") / len(teacher)


TERMS = ("cross_entropy", "arcface", "triplet", "nt_xent", "mse")
_WITH_PROTOTYPES = frozenset({"cross_entropy", "arcface"})
_SUPERVISED = _WITH_PROTOTYPES | {"triplet"}
_NEEDS = {"nt_xent": "second_views", "mse": "teacher"}


def _check_terms(terms: Mapping[str, float], miner: str) -> None:
    unknown = [name for name in terms if name not in TERMS]
    if unknown or not terms:
        raise ConfigurationError(f"unknown loss {_choices(unknown) or 'of no terms'}; choose among {_choices(TERMS)}")
    for name, weight in terms.items():
        if not weight > 0:
            raise ConfigurationError(f"the loss {name} has weight {weight}; give it more than 0, or leave it out")
    if miner not in MINERS:
        raise ConfigurationError(f"unknown miner {miner!r}; choose among {_choices(MINERS)}")


def _choices(names: Iterable[str]) -> str:
    return ", ".join(names)


def _floats(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.float()


def _present(tensor: Tensor | None, need: str) -> Tensor:
    if tensor is None:
        without = _choices(name for name in TERMS if name not in _NEEDS)
        raise ConfigurationError(f"this loss needs {need}, and the step brought none; these do without: {without}")
    return tensor
