"""Crops a second, for each runtime, batch and number of threads: embedding alone, and from JPEG to vector."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product as combinations
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import torch

from inventory_match.learning.bench.rounds import alternate, ratio
from inventory_match.vision.encoder import FileEncoder
from inventory_match.vision.runtimes import Runtime, installed, load_encoder

if TYPE_CHECKING:
    from inventory_match import ports
    from inventory_match.vision.weights import EncoderRecord

DTYPE = "float32"
"""What every runtime computes in: vectors of other precisions would not be interchangeable."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run an encoder file."""

    runtime: Runtime
    threads: int
    batch: int


@dataclass(frozen=True, slots=True)
class Speed:
    """Crops a second by one way (medians of the rounds), and how many times faster it is than the first way measured.

    `least_cosine` compares its vectors with the first way's: 1 where they are the same.
    """

    runtime: Runtime
    dtype: str
    threads: int
    batch: int
    embed_per_second: float
    decode_and_embed_per_second: float
    ratio: float
    least_cosine: float


def ways(threads: Sequence[int], batches: Sequence[int]) -> list[Way]:
    """Every combination of what is installed here, torch first; of threads (0: all cores) each number once."""
    cores = len(os.sched_getaffinity(0))
    numbers = dict.fromkeys(number or cores for number in threads)
    return [Way(*one) for one in combinations(sorted(installed(), reverse=True), numbers, batches)]


def measure(
    record: EncoderRecord,
    photos: Sequence[bytes],
    decode: ports.Decoder,
    candidates: Sequence[Way],
    rounds: int,
    done: Callable[[int], None] = lambda _: None,
) -> list[Speed]:
    """Embeds all `photos` (JPEG or the like, each a crop) by every candidate in every round; the first is the base.

    `done(1)` is called 2 x (rounds + 1) x candidates times.
    """
    crops = [decode(photo).image for photo in photos]
    encoders = {way: load_encoder(record, way.runtime, threads=way.threads, batch=way.batch) for way in candidates}

    def embed(way: Way) -> ports.Embeddings:
        return _limited(encoders[way], way).embed(crops)

    def whole(way: Way) -> ports.Embeddings:
        return _limited(encoders[way], way).embed([decode(photo).image for photo in photos])

    first = candidates[0]
    base = embed(first)
    cosines = {way: _least_cosine(base, embed(way)) for way in candidates}
    alone = alternate({way: partial(embed, way) for way in candidates}, rounds, done)
    decoded = alternate({way: partial(whole, way) for way in candidates}, rounds, done)
    return [
        Speed(
            way.runtime,
            DTYPE,
            way.threads,
            way.batch,
            embed_per_second=len(photos) / median(alone[way]),
            decode_and_embed_per_second=len(photos) / median(decoded[way]),
            ratio=ratio(alone[first], alone[way]),
            least_cosine=cosines[way],
        )
        for way in candidates
    ]


def _limited(encoder: FileEncoder, way: Way) -> FileEncoder:
    """Torch's threads are the process's, and every way has its own number."""
    if way.threads:
        torch.set_num_threads(way.threads)
    return encoder


def _least_cosine(one: ports.Embeddings, other: ports.Embeddings) -> float:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(((one * other).sum(1) / lengths).min())
