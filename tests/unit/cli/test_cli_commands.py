"""Every command of the table can be loaded and explains itself."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from inventory_match.cli import _COMMANDS, main


@pytest.mark.parametrize("name", _COMMANDS)
def test_command_loads_and_has_help(name: str) -> None:
    shown = CliRunner().invoke(main, [name, "--help"])
    assert shown.exit_code == 0, shown.output
    command = main.get_command(click.Context(main), name)
    assert command is not None
    for each in _all(command):
        assert each.help, f"{each.name} has no help"


def test_version() -> None:
    shown = CliRunner().invoke(main, ["--version"])
    assert shown.exit_code == 0
    assert "0.1.0" in shown.output


def _all(command: click.Command) -> list[click.Command]:
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return [command, *(each for child in below for each in _all(child))]
