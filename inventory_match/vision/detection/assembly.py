"""Detector files from torchvision's models, without training: what it knows of bottles and cans, or weights of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError  # nosec B403 # the name of a failure; nothing is unpickled but tensors
from typing import Any, cast

import torch
from torch import nn
from torchvision.models import get_model_weights

from inventory_match.domain.errors import ConfigurationError
from inventory_match.vision.detection.network import PRODUCT, build
from inventory_match.vision.detection.weights import DetectorRecord, write
from inventory_match.vision.network import downloaded

SIDE, LEAST_SCORE, SAME_BOX = 1024, 0.5, 0.55


def assemble(
    out: Path, arch: str, weights: str | Path, *, classes: int = PRODUCT, products: Sequence[str] = ()
) -> DetectorRecord:
    """Writes a detector file of torchvision's `arch` and returns its record.

    `weights`: torchvision's name ("DEFAULT", "COCO_V1"), of whose categories `products` are meant (none: all), or a file with
    the tensors of such a model for `classes` classes, the first of which is the background. Raises ConfigurationError for a
    model, weights or category that is not known.
    """
    build(arch)  # refuses a name that is no detector's before anything is fetched
    labels: tuple[int, ...] = ()
    if isinstance(weights, Path):
        model, origin = _from_file(arch, weights, classes), f"{arch}, weights of {weights.name}"
    else:
        model = downloaded(arch, weights)
        categories = _categories(arch, weights)
        labels, classes = _labels(categories, products), len(categories)
        origin = f"torchvision {arch} {weights}"
    licence = "that of its weights" if isinstance(weights, Path) else "as torchvision states for these weights"
    record = DetectorRecord(arch, arch, SIDE, LEAST_SCORE, SAME_BOX, licence, origin, classes, labels)
    return write(out, record, model.state_dict())


def _from_file(arch: str, path: Path, classes: int) -> nn.Module:
    model = build(arch, classes)
    try:
        model.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    except (OSError, RuntimeError, UnpicklingError, TypeError, AttributeError) as error:
        cure = "give the state_dict of that model, saved with torch.save, and say --classes"
        raise ConfigurationError(
            f"{path}: these are not weights of {arch} for {classes} classes: {error}; {cure}"
        ) from error
    return model


def _categories(arch: str, weights: str) -> list[str]:
    known: Any = get_model_weights(arch)
    return cast("list[str]", known[weights].meta["categories"])


def _labels(categories: Sequence[str], products: Sequence[str]) -> tuple[int, ...]:
    if unknown := sorted(set(products) - set(categories)):
        names = ", ".join(name for name in categories if name[:1] not in ("_", "N"))
        raise ConfigurationError(f"these weights know nothing of {', '.join(unknown)}; they know {names}")
    return tuple(number for number, name in enumerate(categories) if name in products)
