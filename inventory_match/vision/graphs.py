"""Graphs of encoders in a folder of this host, so that a process that only serves need neither make them nor import torch.

A graph is named by all that it hangs on: the encoder file's sha256, the code that writes it, and the versions of the
libraries it is written with. It is a copy that may go at any time: what is missing, damaged or not this user's own is made
anew, and a folder that cannot be written costs time, nothing else.
"""

from __future__ import annotations

import hashlib
import os
import stat
from importlib import metadata
from pathlib import Path
from tempfile import NamedTemporaryFile

import structlog

_log = structlog.get_logger(__name__)
_WRITERS = ("torch", "torchvision", "onnx")
_CODE = ("encoder.py", "network.py", "onnx.py", "detection/network.py")
_KEPT = 4
"""Of one encoder: what other versions of code or libraries on this host wrote."""


def find(folder: Path, sha256: str) -> bytes | None:
    """The graph of an encoder, whole as it was kept; None where there is none that can be believed."""
    path = _path(folder, sha256)
    try:
        with path.open("rb") as file:
            if not _ours(os.fstat(file.fileno())):
                _log.warning("a kept graph is not believed: other users may write it", path=str(path))
                return None
            digest, graph = file.read(32), file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        _log.warning("a kept graph cannot be read", path=str(path), cause=error.strerror)
        return None
    if hashlib.sha256(graph).digest() != digest:
        _log.warning("a kept graph is damaged and made anew", path=str(path))
        return None
    return graph


def keep(folder: Path, sha256: str, graph: bytes) -> None:
    """Keeps a graph, whole or not at all: processes of this host may write and read the same one at the same time."""
    path, made = _path(folder, sha256), None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as file:
            made = Path(file.name)
            file.write(hashlib.sha256(graph).digest() + graph)
        made.replace(path)
        for old in sorted(folder.glob(f"{sha256}.*.graph"), key=_age)[_KEPT:]:
            old.unlink(missing_ok=True)
    except OSError as error:
        if made is not None:
            made.unlink(missing_ok=True)
        _log.warning("a graph is not kept", folder=str(folder), cause=error.strerror)


def _path(folder: Path, sha256: str) -> Path:
    here = Path(__file__).parent
    hangs_on = [f"{name} {metadata.version(name)}" for name in _WRITERS]
    hangs_on += [hashlib.sha256((here / name).read_bytes()).hexdigest() for name in _CODE]
    return folder / f"{sha256}.{hashlib.sha256(' '.join(hangs_on).encode()).hexdigest()[:16]}.graph"


def _age(path: Path) -> float:
    return -path.stat().st_mtime


def _ours(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
