"""What every command shares: the app it works on, how errors reach a person, and the one way to print a table."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import click
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import OperationalError, ProgrammingError

from inventory_match.bootstrap import App
from inventory_match.domain.errors import InventoryMatchError
from inventory_match.domain.text import printable
from inventory_match.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")

WIDE = 160
"""Columns where the output goes to a file or a pipe: words in tables are not broken for a screen that is not there."""

console = Console()
problems = Console(stderr=True)


def with_app(command: Callable[Concatenate[App, P], R]) -> Callable[P, R]:
    """Hands the command an `App` and turns every error a person can mend into one line and exit code 1."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with plain_errors(), opened(Settings()) as app:
            return command(app, *args, **kwargs)

    return run


@contextmanager
def opened(settings: Settings) -> Iterator[App]:
    """An `App` whose database connections are closed at the end."""
    app = App(settings)
    try:
        yield app
    finally:
        if "engine" in vars(app):  # asking for it would build it
            app.engine.dispose()


class plain_errors:  # noqa: N801 - used like a function: `with plain_errors():`
    """Errors as one line on stderr and exit code 1; anything unforeseen keeps its traceback."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        match error:
            case InventoryMatchError():
                raise click.ClickException(printable(str(error), lines=True)) from error
            case ValidationError():
                raise click.ClickException(f"settings: {settings_problem(error)}") from error
            case OperationalError() | ProgrammingError() if "inventory_match" in str(error.orig):
                hint = "run `inventory-match db upgrade`, or look with `inventory-match doctor`"
                raise click.ClickException(f"database: {str(error.orig).splitlines()[0]} ({hint})") from error
            case OperationalError():
                hint = "is INVENTORY_MATCH_DATABASE_URL right? `inventory-match doctor` looks"
                raise click.ClickException(f"database: {str(error.orig).splitlines()[0]} ({hint})") from error


def settings_problem(error: ValidationError) -> str:
    """What is wrong with which settings, without their values: one may be a secret."""
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints rows; None as a dash, numbers to the right."""
    body = list(rows)
    printed = Table(title=title, title_justify="left", header_style="bold")
    for i, name in enumerate(columns):
        numeric = any(isinstance(row[i], int | float) for row in body)
        printed.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in body:
        # As texts, because a key such as a[b].jpg is no markup; and what it may hold is for no terminal to obey.
        printed.add_row(*(Text("–" if cell is None else printable(str(cell))) for cell in row))
    if not console.is_terminal:
        console.width = int(os.environ.get("COLUMNS", WIDE))
    console.print(printed)


def say(line: str) -> None:
    """Prints one line: no markup, and no breaks where the terminal ends, so that it can be copied and searched.

    What would command the terminal, or begin another line, is escaped: a key may hold either.
    """
    console.print(printable(line), markup=False, highlight=False, soft_wrap=True)
