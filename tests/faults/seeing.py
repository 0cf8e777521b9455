"""What the faults of seeing share: the shop of the pipeline's tests, and the decoder with holes at its port."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from inventory_match.vision.decoding import Limits
from inventory_match.vision.isolation import IsolatedDecoder

from ..integration.conftest import app, template
from ..integration.pipeline.conftest import Shop, empty_shop, shelf_photo, shop

__all__ = ["POISON", "Shop", "app", "empty_shop", "ended", "isolated", "patiently", "poisoned", "shop", "template"]
POISON = (sys.executable, "-P", str(Path(__file__).with_name("poison_decoder.py")))


def isolated(command: Sequence[str] = POISON, *, seconds: float = 30, max_mib: int = 200) -> IsolatedDecoder:
    limits = Limits(max_bytes=1_000_000, max_pixels=9_000_000, seconds=seconds, max_mib=max_mib)
    return IsolatedDecoder(limits, command)


def poisoned(mark: str) -> bytes:
    """A photo of four places that is quite in order, but for what the decoder with holes makes of it."""
    return shelf_photo(*"AAAA") + f"poison:{mark};".encode()


def patiently(true: Callable[[], bool], seconds: float = 20) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, f"it did not happen within {seconds:g} seconds"
        time.sleep(0.02)


def ended(pid: int) -> bool:
    """A zombie has ended too: in a container nobody may ever collect an orphan."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
