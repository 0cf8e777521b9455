"""Settings by environment and TOML file: which wins, and every mistake is one line that shows no secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from inventory_match.bootstrap import App
from inventory_match.cli import main
from inventory_match.domain.errors import ConfigurationError
from inventory_match.settings import CONFIG_VARIABLE, PREFIX, Settings, origins
from inventory_match.vision.decoding import Limits


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the settings of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "BUCKET", "CONFIG", "QUEUE_URL"):
        monkeypatch.delenv(f"{PREFIX}{name}", raising=False)


def test_the_environment_wins_over_the_file_and_both_over_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("inventory-match.toml").write_text('bucket = "file"\naws_region = "file-1"\nwebhook_schedule = [5, 2.5]\n')
    monkeypatch.setenv(f"{PREFIX}BUCKET", "environment")
    monkeypatch.setenv(f"{PREFIX}KEEP_PHOTOS_DAYS", "")  # as a template leaves it
    settings = Settings()
    assert (settings.bucket, settings.aws_region, settings.keep_photos_days) == ("environment", "file-1", None)
    assert settings.webhook_waits == (5.0, 2.5)
    origin = origins(settings)
    assert [origin[name] for name in ("bucket", "aws_region", "keep_photos_days")] == [
        "environment",
        "inventory-match.toml",
        "default",
    ]


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_database_address_may_be_written_as_other_tools_do(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv(f"{PREFIX}DATABASE_URL", f"{scheme}://ann:a://b@db/shop")
    assert Settings().database_url.get_secret_value() == "postgresql+psycopg://ann:a://b@db/shop"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("DATABASE_URL", "host=db password=geheim", "write it as postgresql://"),
        ("DATABASE_URL", "mysql://ann:geheim@db/shop", "write it as postgresql://"),
        ("LOG_LEVEL", "chatty", "'DEBUG', 'INFO'"),
        ("WEBHOOK_SCHEDULE", "5,nan", "waits must be 0 or more seconds"),
        ("DECODE_SECONDS", "151", "lower decode_seconds or raise photo_lease"),
        ("DECODE_MAX_MIB", "1373", "take up to 1374 MiB; raise decode_max_mib or lower photo_max_pixels"),
    ],
)
def test_a_mistake_in_the_environment_names_its_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(f"{PREFIX}{name}", value)
    with pytest.raises(ValidationError):
        Settings()
    for command in (["config", "show"], ["doctor"]):
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 1
        assert name.lower() in result.output
        assert says in result.output.replace("\n", "")
        assert "geheim" not in result.output


def test_a_hanging_photo_is_put_down_well_within_whatever_its_lease_is() -> None:
    assert Settings().decode_limit == 30
    assert Settings(photo_lease=12).decode_limit == 4
    assert Settings(photo_lease=300, decode_seconds=150).decode_limit == 150


@pytest.mark.parametrize("lease", [12, 20, 60, 66, 300])
def test_a_decoder_that_hangs_at_its_start_is_put_down_before_its_task_is(lease: float) -> None:
    for settings in (Settings(photo_lease=lease), Settings(photo_lease=lease, decode_seconds=lease / 2)):
        assert Limits(seconds=settings.decode_limit).start_seconds < 0.9 * lease


def test_a_broken_or_missing_file_is_one_line_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("inventory-match.toml").write_text('bucket = "b"\nqueue_url = no\n')
    with pytest.raises(ConfigurationError, match=r"^inventory-match\.toml: .*line 2"):
        Settings()
    monkeypatch.setenv(CONFIG_VARIABLE, "elsewhere.toml")
    with pytest.raises(ConfigurationError, match=r"^elsewhere\.toml: there is no such file"):
        Settings()
    for command in (["config", "show"], ["doctor"]):
        result = CliRunner().invoke(main, command)
        assert (result.exit_code, "elsewhere.toml" in result.output) == (1, True), result.output


def test_without_a_queue_the_missing_setting_is_named() -> None:
    with pytest.raises(ConfigurationError, match="set INVENTORY_MATCH_QUEUE_URL"):
        _ = App(Settings()).queue


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("DATABASE_URL", "mysql://ann:geheim@db/shop", "write it as postgresql://"),
        ("DATABASE_URL", "postgresql://ann:1@geheim@db/shop", "as %40"),
        ("REDIS_URL", "redis://:geheim/x@cache:6379/0", "as %2F %3F"),
        ("REDIS_URL", "redis://:geheim#x@cache:6379/0", "as %2F %3F"),
        ("REDIS_URL", "http://:geheim@cache:6379/0", "write it as redis://"),
    ],
)
def test_no_error_of_the_settings_quotes_a_secret(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    """Also where nobody has tidied it up: a worker started by `celery -A` prints the bare traceback."""
    monkeypatch.setenv(f"{PREFIX}{name}", value)
    with pytest.raises(ValidationError) as raised:
        Settings()
    assert says in str(raised.value)
    assert "geheim" not in f"{raised.value}{raised.value!r}"
