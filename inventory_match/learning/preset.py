"""A training run as a TOML file: what to learn from, which network, how it learns. Read strictly: a key nobody knows is
an error that names it, because a misspelt rate that is silently ignored costs an hour.

Every value has a default except the sources and the stages; `--set loss.scale=20` overrides one (see `read_preset`).
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from inventory_match.learning.search import Range
from inventory_match.vision.weights import Pool

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Channels = tuple[float, float, float]


def _mode(text: str) -> str:
    if not re.fullmatch(r"full|head|norms|(last|from):\d+", text):
        raise ValueError("say full, head, norms, last:N or from:N")
    return text


Mode = Annotated[str, AfterValidator(_mode)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """Labelled photos to learn from. An epoch takes them all, `repeat` times; or `per_class` of each product, or
    `per_epoch` in all, drawn anew each epoch.

    `hold_out` of the photo files (chosen by a hash of their names, so that no photo is on both sides) are kept for
    validation; files whose names begin with the same match of `hold_out_by`, a regular expression, stay together (the
    frames of one film show the same thing). Boxes with a side below `min_side` px are passed over; the others are cut
    with `margin` of their size around them, which random crops then vary. `made_by` is told where the file is missing."""

    csv: str
    images: str | None = None
    repeat: Count = 1
    per_class: Count | None = None
    per_epoch: Count | None = None
    hold_out: Share = 0.0
    hold_out_by: str = ""
    min_side: int = 0
    margin: Share = 0.0
    made_by: str = ""


class Validation(_Strict):
    """Photos to judge by, never learned from. `references` names the csv of the sources that stand in for the catalog."""

    csv: str
    references: Annotated[tuple[str, ...], Field(min_length=1)]
    images: str | None = None


class Network(_Strict):
    """`weights`: torchvision's name ("DEFAULT"), a file (.pth of torchvision, .safetensors encoder), "shipped" for the encoder
    inside the package, or "" for random. `dim` is by default that of the encoder it starts from, else 256.

    `mode` is what may move: full, head, norms (and head), last:N blocks, from:N (all but the first N). `size` is the side in
    px the encoder serves at: random crops show products larger than whole photos do, so larger than it was trained at is
    often better (Touvron et al., Fixing the train-test resolution discrepancy, NeurIPS 2019). `mirror` lets it look at every
    crop mirrored as well, for twice the time. Pixels 0..1 become (x - mean) / std, by default those of the starting weights
    where they say so, else 0.5.
    """

    arch: str = "mobilenet_v2"
    weights: str = "DEFAULT"
    dim: Count | None = None
    pool: Pool = "average"
    mode: Mode = "full"
    dropout: Share = 0.2
    size: Count = 224
    mirror: bool = False
    mean: Channels | None = None
    std: Channels | None = None


class Augment(_Strict):
    """How far a training photo is varied. A crop shows `least` of the photo or more; `turned` of the crops are rotated up to
    `turn` degrees or tilted; brightness, contrast and saturation move by up to these shares; `grey`, `blurred`,
    `recompressed` and `erased` are shares of crops. Where colour tells products apart, keep `saturation` and `grey` small."""

    least: Annotated[float, Field(gt=0, le=1)] = 0.3
    turn: Annotated[float, Field(ge=0, le=180)] = 20.0
    turned: Share = 0.3
    brightness: Share = 0.35
    contrast: Share = 0.35
    saturation: Share = 0.35
    grey: Share = 0.03
    blurred: Share = 0.1
    recompressed: Share = 0.15
    erased: Share = 0.2


class Loss(_Strict):
    """`terms`: name to weight, see `losses`. `mix` is the share of batches that CutMix or MixUp blend. `teacher` is the
    encoder file that mse is measured against."""

    terms: dict[Literal["cross_entropy", "arcface", "triplet", "nt_xent", "mse"], Positive] = {"cross_entropy": 1.0}
    scale: Positive = 16.0
    margin: Positive = 0.2
    smoothing: Share = 0.1
    temperature: Positive = 0.2
    mix: Annotated[float, Field(ge=0, le=1)] = 0.0
    teacher: str = ""


class Optimizer(_Strict):
    """`rate` is the trunk's; what starts from nothing learns faster: the head `head_factor`, prototypes `class_factor`
    times as fast."""

    name: Literal["sgd", "adam", "adamw", "adagrad"] = "adamw"
    rate: Positive = 7e-4
    head_factor: Positive = 4.0
    class_factor: Positive = 15.0
    weight_decay: Annotated[float, Field(ge=0)] = 0.03
    momentum: Share = 0.9
    warmup: Annotated[float, Field(ge=0)] = 1.0


class Stage(_Strict):
    """So many epochs on square pictures of `size` px. Small pictures first are much cheaper (Howard, 2018; EfficientNetV2)."""

    epochs: Count
    size: Annotated[int, Field(ge=16)]


class Unlabelled(_Strict):
    """Photos without labels, all images below `folder`; `weight` is that of the nt_xent term they bring."""

    folder: str
    weight: Positive = 0.3


class About(_Strict):
    """What the encoder file says of itself."""

    name: str = "encoder"
    licence: str = "unknown"
    origin: str = "unknown"


class Preset(_Strict):
    """All of a run. `averaging` is how much of the moving average of weights stays at each step; `patience` how many epochs
    without a better validation figure end the run (0: none do); `each` photos of a class stand in a batch together where it
    is above 1 (triplets need that); `bf16` computes in 16 bits; `search` has ranges for `--search`: key to choices, or to
    { log_uniform = [from, to] }."""

    about: About = About()
    network: Network = Network()
    augment: Augment = Augment()
    loss: Loss = Loss()
    optimizer: Optimizer = Optimizer()
    source: tuple[Source, ...] = ()
    validation: tuple[Validation, ...] = ()
    unlabelled: Unlabelled | None = None
    stage: Annotated[tuple[Stage, ...], Field(min_length=1)]
    batch: Annotated[int, Field(ge=2)] = 32
    each: Count = 1
    averaging: Share = 0.995
    patience: int = 0
    bf16: bool = False
    seed: int = 7
    search: dict[str, Range] = {}

    @model_validator(mode="after")
    def _makes_sense(self) -> Preset:
        if not self.source and self.unlabelled is None:
            raise ValueError("there is nothing to learn from; give a [[source]] or --unlabelled DIR")
        if ("mse" in self.loss.terms) != bool(self.loss.teacher):
            raise ValueError("loss.teacher and the term mse go together; give both or neither")
        if self.batch % self.each:
            raise ValueError(f"batch = {self.batch} is not a multiple of each = {self.each}")
        unknown = {name for one in self.validation for name in one.references} - {one.csv for one in self.source}
        if unknown:
            raise ValueError(f"validation.references names {', '.join(sorted(unknown))}, which no source does")
        return self

    @property
    def epochs(self) -> int:
        return sum(stage.epochs for stage in self.stage)

    def size_at(self, epoch: int) -> int:
        """Side of the square picture in epoch `epoch`, from 0."""
        sizes = [stage.size for stage in self.stage for _ in range(stage.epochs)]
        return sizes[epoch]
