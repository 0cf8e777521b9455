"""A detector's course as a TOML file, read as strictly as an encoder's (`learning.preset`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from inventory_match.learning.preset import About, Count, Positive, Share
from inventory_match.vision.detection.looks import COMPACT

_Part = Annotated[float, Field(gt=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Network(_Strict):
    """`weights`: a torchvision MobileNetV2 file (.pth) the trunk starts from, a detector file (.safetensors) all of it starts
    from, or "" for random. What serving goes by is measured, not learned: `side` px photos are brought to, the least score of
    a facing, and the overlap (intersection over union) from which two boxes are one."""

    arch: str = COMPACT
    weights: str = ""
    side: Annotated[int, Field(ge=128)] = 896
    least_score: Share = 0.35
    same_box: Share = 0.55


class Rendered(_Strict):
    """So many rendered scenes, drawn once into the run's folder (`rendering.scenes`), and how often one is drawn from them."""

    photos: Count = 4000
    share: _Part = 0.5


class Photos(_Strict):
    """Real photos: a table of boxes, the folder of its images. One group of near-alike photos in `keep_every` is kept to judge
    by (0: none)."""

    boxes: str
    images: str
    exhaustive: bool = False
    share: _Part
    keep_every: Annotated[int, Field(ge=0)] = 0


class Teaching(_Strict):
    """Steps of `batch` pictures; rates are AdamW's highest."""

    steps: Count = 3000
    batch: Annotated[int, Field(ge=1)] = 6
    rate: Positive = 1e-3
    trunk_rate: Positive = 4e-4


class DetectorPreset(_Strict):
    """All of a run."""

    task: Literal["detector"]
    about: About = About(name="detector")
    network: Network = Network()
    rendered: Rendered | None = None
    photos: tuple[Photos, ...] = ()
    course: Teaching = Teaching()
    seed: int = 7

    @model_validator(mode="after")
    def _makes_sense(self) -> DetectorPreset:
        shares = [one.share for one in self.photos] + ([self.rendered.share] if self.rendered else [])
        if not shares or abs(sum(shares) - 1) > 1e-6:
            raise ValueError(f"the shares of [rendered] and all [[photos]] must add up to 1, not {sum(shares):.3f}")
        if self.network.arch != COMPACT:
            raise ValueError(f"only {COMPACT} is taught here; others are served with weights of their own")
        return self
