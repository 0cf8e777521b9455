"""What the workers' log says of a task that found a server away."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from inventory_match.domain.errors import NotFound, ServiceUnavailable
from workers.app import OurTask, app


def fails(error: Exception) -> list[str]:
    """Runs a task that fails so, in this process; what was logged."""

    def task() -> None:
        raise error

    failing: Any = app.task(name=f"tests.{type(error).__name__}")(task)
    assert isinstance(failing, OurTask)
    with capture_logs() as logged:
        failing.apply()
    return [f"{line['log_level']} {line['event']}: {line['cause']}" for line in logged]


def test_an_outage_is_told_in_one_line() -> None:
    assert fails(ServiceUnavailable("postgres is away")) == ["warning task put off: postgres is away"]


@pytest.mark.parametrize("error", [NotFound("photo 7"), ValueError("odd")])
def test_what_is_no_outage_is_left_to_celery_and_its_traceback(error: Exception) -> None:
    assert fails(error) == []
