"""No password leaves through `config show`, however the address is written."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from inventory_match.cli.config import masked


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql+psycopg://ann:geheim@db.example/inventory", "postgresql+psycopg://ann:***@db.example/inventory"),
        ("postgresql+psycopg://db.example/inventory", "postgresql+psycopg://db.example/inventory"),
        ("postgresql+psycopg://ann@db.example/inventory", "postgresql+psycopg://ann@db.example/inventory"),
        ("postgresql+psycopg://ann:ge/heim@x@db.example/i", "postgresql+psycopg://ann:***@db.example/i"),
        (
            "postgresql://db/i?user=ann&password=geheim&sslmode=require",
            "postgresql://db/i?user=ann&password=***&sslmode=require",
        ),
        ("redis://:geheim@cache.example:6379/0", "redis://:***@cache.example:6379/0"),
        ("rediss://cache.example/0?ssl_password=geheim", "rediss://cache.example/0?ssl_password=***"),
    ],
)
def test_addresses_keep_all_but_the_password(address: str, shown: str) -> None:
    assert masked(SecretStr(address)) == shown


def test_other_secrets_are_hidden_whole() -> None:
    assert masked(SecretStr("AKIA-very-secret")) == "***"


def test_plain_settings_are_shown() -> None:
    assert masked(("5", "300")) == "5,300"
    assert masked(25) == "25"
    assert masked("http://127.0.0.1:9000") == "http://127.0.0.1:9000"
