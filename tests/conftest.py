"""The one thing every kind of test may need: real Postgres, Redis, S3 and SQS on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from inventory_match.embedded.machine import Machine


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """One machine for each test process, in a temporary directory that goes with it."""
    with Machine() as machine:
        yield machine
