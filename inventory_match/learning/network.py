"""The encoder as it is while it learns, where it starts from, and which of its parts may move."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError  # nosec B403 # the name of a failure; nothing is unpickled but tensors
from typing import Self

import torch
from torch import nn
from torch.nn import functional

from inventory_match.domain.errors import ConfigurationError
from inventory_match.learning.augment import ToFloats
from inventory_match.learning.losses import Objective
from inventory_match.learning.preset import Channels, Network
from inventory_match.vision.assembly import trained_with
from inventory_match.vision.encoder import load_network
from inventory_match.vision.network import EmbeddingNetwork
from inventory_match.vision.weights import EncoderRecord, read_record, read_tensors, shipped_default

_DIM = 256
"""Of an encoder that starts from none."""
_NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)  # noqa: SLF001 # torch's only common base


class TrainingNetwork(nn.Module):
    """The encoder with what only training needs: dropout before the head, batch norm behind it, and the objective, whose
    prototypes are learned and averaged along. What `mode` freezes stays in evaluation mode, so that batch norms in it
    keep their statistics, and has no gradients: blocks before the first that moves cost a forward pass only."""

    def __init__(self, encoder: EmbeddingNetwork, objective: Objective, *, dropout: float, mode: str) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.BatchNorm1d(encoder.head.out_features)
        self.objective = objective
        self._frozen = freeze(encoder, mode)

    def embed(self, batch: torch.Tensor) -> torch.Tensor:
        """(n, 3, h, w) floats to L2-normalised (n, dim)."""
        pooled = self.encoder.pooled(self.encoder.feature_map(batch))
        return functional.normalize(self.norm(self.encoder.head(self.dropout(pooled))))

    forward = embed

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for part in self._frozen:
            part.eval()
        return self

    def moving(self) -> tuple[int, int]:
        """How many parameters of the encoder (with its batch norm) training moves, of how many."""
        every = [*self.encoder.parameters(), *self.norm.parameters()]
        return sum(p.numel() for p in every if p.requires_grad), sum(p.numel() for p in every)


def freeze(encoder: EmbeddingNetwork, mode: str) -> list[nn.Module]:
    """Stops what may not move under `mode` (see `preset.Network`); returns the modules that must stay in evaluation mode.

    Raises ConfigurationError where the trunk has fewer blocks than the mode names.
    """
    kind, _, number = mode.partition(":")
    if kind == "full":
        return []
    if kind in ("last", "from"):
        frozen = _leading(encoder.blocks, kind, int(number))
    else:
        frozen = [encoder.trunk, encoder.neck, encoder.pool]
    for part in frozen:
        part.requires_grad_(False)
    if kind != "norms":
        return frozen
    for layer in [*encoder.trunk.modules(), *encoder.neck.modules()]:
        if isinstance(layer, _NORMS):
            layer.requires_grad_(True)
    return []


def _leading(blocks: list[nn.Module], kind: str, number: int) -> list[nn.Module]:
    """The first `number` blocks, or all but the last `number` that have parameters at all."""
    with_parameters = [n for n, block in enumerate(blocks) if any(True for _ in block.parameters())]
    if number > (len(blocks) if kind == "from" else len(with_parameters)) or not number:
        raise ConfigurationError(
            f"mode {kind}:{number} does not fit: the trunk has {len(blocks)} blocks, {len(with_parameters)} of them with "
            "parameters"
        )
    return blocks[: number if kind == "from" else with_parameters[-number]]


def starting_encoder(how: Network) -> EmbeddingNetwork:
    """An encoder of the preset's shape that starts at its weights. Raises ConfigurationError where they do not fit, and
    ServiceUnavailable where torchvision cannot download them."""
    path = _start(how)
    downloaded = how.weights if path is None and how.weights else None
    if path is not None and not path.is_file():
        raise ConfigurationError(f"the starting weights {path} are not there; say --weights FILE, or --weights DEFAULT")
    record = _start_record(path)
    branches, shared = (record.branches, record.shared) if record else (1, 0)
    encoder = EmbeddingNetwork(
        how.arch, dimensions(how), normalise=False, pool=how.pool, branches=branches, shared=shared, weights=downloaded
    )
    if path is None:
        return encoder
    try:
        if record is not None:
            encoder.load_state_dict(read_tensors(record))
        else:
            encoder.load_torchvision(torch.load(path, map_location="cpu", weights_only=True))
    except (KeyError, RuntimeError, EOFError, ValueError, TypeError, AttributeError, UnpicklingError) as error:
        raise ConfigurationError(f"{path}: its weights are not those of a {how.arch}: {error}") from error
    return encoder


def dimensions(how: Network) -> int:
    """Of the embedding: the preset's, else those of the encoder it starts from."""
    if how.dim is not None:
        return how.dim
    record = _start_record(_start(how))
    return record.dim if record else _DIM


def normalisation(how: Network) -> tuple[Channels, Channels]:
    """Mean and deviation of each channel: the preset's, else those that the starting weights were trained with."""
    known = _known(how)
    return how.mean or known[0], how.std or known[1]


def _known(how: Network) -> tuple[Channels, Channels]:
    path = _start(how)
    if path is None and how.weights:
        made = trained_with(how.arch, how.weights)
    elif record := _start_record(path):
        made = record.preprocessing
    else:
        return (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    return made.mean, made.std


def _start(how: Network) -> Path | None:
    """The file that training starts from; None for torchvision's own weights, and for random ones."""
    if how.weights == "shipped":
        return shipped_default().path
    path = Path(how.weights)
    return path if path.suffix in (".pth", ".pt", ".safetensors") else None


def _start_record(path: Path | None) -> EncoderRecord | None:
    """Of the encoder file that training starts from, where it is one and is there."""
    return read_record(path) if path is not None and path.suffix == ".safetensors" and path.is_file() else None


def finished_encoder(path: Path) -> tuple[EmbeddingNetwork, EncoderRecord]:
    """The network of an encoder file, as it serves."""
    record = read_record(path)
    return load_network(record).to(memory_format=torch.channels_last), record


class Teacher:
    """Another encoder, which says where a photo should lie; it never learns."""

    def __init__(self, path: Path, device: torch.device) -> None:
        network, record = finished_encoder(path)
        self._network = network.to(device)
        self._to_floats = ToFloats(record.preprocessing.mean, record.preprocessing.std, device)
        self.dim = record.dim

    @torch.no_grad()
    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        """uint8 (n, 3, h, w) to (n, dim)."""
        return self._network(self._to_floats(batch))  # type: ignore[no-any-return] # torch types calls as Any
