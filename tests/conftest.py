"""The one thing every kind of test may need: real Postgres, Redis, S3 and SQS on loopback.

Tests run several processes at once on few cores: threads of torch and numpy besides, which wait for each other in a loop,
would only cost time. It is said before either is imported, and processes that tests start are told as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from inventory_match.embedded.machine import Machine

os.environ.setdefault("OMP_NUM_THREADS", "1")
# How long an example takes says how busy the machine is, nothing of the example.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """One machine for each test process, in a temporary directory that goes with it."""
    with Machine() as machine:
        yield machine
