"""`inventory-match config show`: every setting, where it comes from, and no secret."""

from __future__ import annotations

import re

import click
from pydantic import SecretStr

from inventory_match.bootstrap import App
from inventory_match.cli.frame import table, with_app
from inventory_match.settings import PREFIX, origins

HIDDEN = "***"


@click.group()
def config() -> None:
    """What the product is set to."""


@config.command("show")
@click.option("--env", is_flag=True, help="As lines of an environment file; what is not set, or secret, as a comment.")
@with_app
def show(app: App, env: bool) -> None:
    """All settings with secrets masked. They come from INVENTORY_MATCH_*, then the TOML file, then defaults."""
    settings = app.settings
    values = {name: getattr(settings, name) for name in type(settings).model_fields}
    if env:
        for name, value in values.items():
            plain = "" if value is None else masked(value)
            hidden = value is None or HIDDEN in plain
            click.echo(f"{'# ' if hidden else ''}{PREFIX}{name.upper()}={plain}")
        return
    origin = origins(settings)
    rows = ((name, None if value is None else masked(value), origin[name]) for name, value in values.items())
    table("Settings", ("setting", "value", "from"), rows)


def masked(value: object) -> str:
    """A setting as text; a secret that is a URL keeps all but its password, any other is hidden whole."""
    if isinstance(value, SecretStr):
        plain = value.get_secret_value()
        return masked(plain) if "://" in plain else HIDDEN
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    if "://" not in text:
        return text
    # To the last @, wherever it is: a password with an unescaped / or @ in it must not show its end.
    text = re.sub(r"(://[^:@/?]*):.*@", rf"\1:{HIDDEN}@", text)
    return re.sub(r"(?i)([?&][^=&]*(?:password|secret|token)[^=&]*=)[^&]*", rf"\1{HIDDEN}", text)
