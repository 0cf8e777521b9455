"""What is typed for an option and makes no sense is told as such, with what to write instead."""

from __future__ import annotations

from datetime import timedelta

import click
import pytest
from click.testing import CliRunner

from inventory_match.cli import main
from inventory_match.cli.parameters import now, past


@pytest.mark.parametrize("said", ["999999d", "999999d ", "9999999d", "soon", "3w"])
def test_a_time_that_cannot_be_meant_is_an_error_of_usage(said: str) -> None:
    with pytest.raises(click.BadParameter):
        past(said)
    result = CliRunner().invoke(main, ["photos", "redrive", "--state", "dead", "--since", said])
    assert result.exit_code == 2, result.output


def test_how_long_ago() -> None:
    then = past("2h")
    assert timedelta(hours=2) <= now() - then < timedelta(hours=2, minutes=1)
    assert past("2026-03-01T00:00").utcoffset() == timedelta(0)
