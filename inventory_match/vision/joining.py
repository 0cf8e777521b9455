"""Several encoders made one file: their trunks side by side behind the blocks they share, their vectors end to end.

Networks that learned the same photos from different seeds err in different places, so asked together they err less
(Lakshminarayanan et al., Simple and Scalable Predictive Uncertainty Estimation Using Deep Ensembles, NeurIPS 2017). What
was frozen while they learned is the same in all and runs once (the TreeNets of Lee et al., Why M Heads Are Better than One,
2015); the first blocks see the largest maps, so a second MobileNetV2 that shares four of them costs about half a one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

import torch
from torch import nn

from inventory_match.domain.errors import ConfigurationError
from inventory_match.vision.encoder import load_network
from inventory_match.vision.network import EmbeddingNetwork
from inventory_match.vision.weights import UNCALIBRATED, EncoderRecord, write

_SAME = ("arch", "metric", "pool", "mirror", "preprocessing")


def join(records: Sequence[EncoderRecord], out: Path, name: str | None = None) -> EncoderRecord:
    """Writes to `out` the encoder whose vectors are those of `records` end to end; returns its record.

    A cosine encoder normalises the whole, so its similarity is the members' weighed by the lengths of their vectors, which
    equal training makes about equal. Raises ConfigurationError where the files cannot go side by side.
    """
    first = _alike(records)
    networks = [load_network(record) for record in records]
    if len(networks[0].neck) or first.pool != "average":
        raise ConfigurationError(
            f"{first.path}: only encoders that average plain feature maps can be joined, not {first.arch} with"
            f" pool {first.pool!r}"
        )
    shared = _shared(networks)
    dim = sum(record.dim for record in records)
    joined = EmbeddingNetwork(first.arch, dim, normalise=False, branches=len(records), shared=shared)
    for number, network in enumerate(networks):
        for block, theirs in zip(joined.blocks, network.blocks, strict=True):
            own = block[number] if isinstance(block, nn.ModuleList) else block
            own.load_state_dict(theirs.state_dict())
    heads = [network.head for network in networks]
    record = replace(
        first,
        name=name or first.name,
        dim=dim,
        head=f"{len(records)} joined: {_told(record.head for record in records)}",
        licence=_told(record.licence for record in records),
        origin=_told(record.origin for record in records),
        thresholds=UNCALIBRATED,
        branches=len(records),
        shared=shared,
    )
    weight = torch.block_diag(*(head.weight.detach() for head in heads))  # type: ignore[no-untyped-call]
    bias = torch.cat([head.bias.detach() for head in heads])
    return write(out, record, joined.state_dict() | {"head.weight": weight, "head.bias": bias})


def _alike(records: Sequence[EncoderRecord]) -> EncoderRecord:
    """The first, where the others can stand beside it."""
    first, *others = records
    if not others:
        raise ConfigurationError(f"{first.path}: one encoder alone; joining takes two or more")
    for record in records:
        if record.branches > 1:
            raise ConfigurationError(f"{record.path} is joined already; join the encoders it was made of, all at once")
    for record in others:
        for key in _SAME:
            ours, theirs = getattr(first, key), getattr(record, key)
            if ours != theirs:
                raise ConfigurationError(
                    f"{key} of {first.path} is {ours}, of {record.path} {theirs}; they must be the same"
                )
    return first


def _shared(networks: Sequence[EmbeddingNetwork]) -> int:
    """How many blocks at the beginning are the same in all; the last is never counted, so that there is something to part."""
    depths = zip(*(network.blocks[:-1] for network in networks), strict=True)
    return sum(1 for _ in takewhile(lambda blocks: all(_equal(blocks[0], other) for other in blocks[1:]), depths))


def _equal(one: nn.Module, other: nn.Module) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


def _told(values: Iterable[str]) -> str:
    """Each once, in order."""
    return "; ".join(dict.fromkeys(values))
