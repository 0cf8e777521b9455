"""Crops to vectors: an encoder file run by torch, or by whatever else keeps its vectors the same (`runtimes`).

Which model runs (trunk, head, preprocessing) is all in the file's record; how it runs is a runtime's: loaded at the first
crop, under a lock, because a worker that only parses events should not pay for torch; all crops of a photo in batches.
Every encoder is a file first (see `assembly` for making one from any torchvision trunk), so every stored vector can name
the sha256 of what made it.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from inventory_match.domain.errors import ConfigurationError
from inventory_match.vision.preprocessing import preprocess
from inventory_match.vision.weights import EncoderRecord, read_tensors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inventory_match.ports import Embeddings, Image
    from inventory_match.vision.network import EmbeddingNetwork

    Network: TypeAlias = Callable[[NDArray[np.float32]], Embeddings]
    """What a runtime makes of a record: preprocessed crops (n, 3, h, w) to vectors (n, dim)."""


class FileEncoder(ABC):
    """Satisfies `ports.Encoder` with the file that `record` was read from.

    `batch` bounds memory, not results: eight crops and what they become fit the cache (measured: 8 takes two thirds of the
    time of 24 a crop, on one thread). `threads` is how many cores this process may use, 0 leaves it to the runtime.
    """

    runtime: str
    """The setting's name for it."""

    def __init__(self, record: EncoderRecord, *, batch: int = 8, threads: int = 0) -> None:
        self.record = record
        self._batch, self._threads = batch, threads
        self._lock = threading.Lock()
        self._network: Network | None = None

    def __repr__(self) -> str:
        record = self.record
        return f"{type(self).__name__}({record.name!r}, {record.arch}, {record.dim} d, sha256 {self.sha256[:12]})"

    @property
    def sha256(self) -> str:
        """The encoder's identity: the sha256 of its file."""
        return self.record.sha256

    @property
    def loaded(self) -> bool:
        """Whether the file was read, so that nothing that becomes of it matters any more."""
        return self._network is not None

    def embed(self, crops: Sequence[Image]) -> Embeddings:
        """RGB uint8 arrays (h, w, 3) of any sizes to float32 (n, dim), L2-normalised where the metric is cosine."""
        if not crops:
            return np.empty((0, self.record.dim), np.float32)
        network, how = self._loaded(), self.record.preprocessing
        return np.concatenate([network(preprocess(batch, how)) for batch in _batches(crops, self._batch)])

    def _loaded(self) -> Network:
        with self._lock:
            if self._network is None:
                self._network = self._load()
            return self._network

    @abstractmethod
    def _load(self) -> Network: ...


class TorchEncoder(FileEncoder):
    """The reference: torch in inference mode, batch norms folded, channels last."""

    runtime = "torch"

    def _load(self) -> Network:
        import torch

        from inventory_match.vision.network import fold_batch_norms

        if self._threads:
            torch.set_num_threads(self._threads)
        network = fold_batch_norms(load_network(self.record)).to(memory_format=torch.channels_last)

        def run(batch: NDArray[np.float32]) -> Embeddings:
            with torch.inference_mode():
                vectors: Embeddings = network(torch.from_numpy(batch)).numpy()
            return vectors

        return run


def load_network(record: EncoderRecord) -> EmbeddingNetwork:
    """The network of an encoder file with its weights, in evaluation mode. Raises ConfigurationError where they do not fit."""
    import torch

    from inventory_match.vision.network import EmbeddingNetwork

    with torch.device("meta"):  # no weights are drawn that the file replaces: for a VGG that took seconds
        network = EmbeddingNetwork(
            record.arch,
            record.dim,
            normalise=record.metric == "cosine",
            pool=record.pool,
            mirror=record.mirror,
            branches=record.branches,
            shared=record.shared,
        )
    try:
        network.load_state_dict(read_tensors(record), assign=True)
    except RuntimeError as error:
        raise ConfigurationError(f"{record.path}: its weights are not those of a {record.arch}: {error}") from error
    return network.eval()


def _batches(crops: Sequence[Image], size: int) -> Iterator[Sequence[Image]]:
    return (crops[start : start + size] for start in range(0, len(crops), size))
