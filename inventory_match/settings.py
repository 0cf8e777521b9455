"""All settings, and the only reader of the environment: `INVENTORY_MATCH_*`, then an optional TOML file, then defaults.

The TOML file is `inventory-match.toml` in the working folder or the one named by `INVENTORY_MATCH_CONFIG`; its keys are
the field names below. Secrets are `SecretStr`: no repr, log or `config show` prints them.
"""

from __future__ import annotations

import math
import os
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from inventory_match.domain.errors import ConfigurationError

PREFIX = "INVENTORY_MATCH_"
CONFIG_VARIABLE = "INVENTORY_MATCH_CONFIG"
DEFAULT_CONFIG = "inventory-match.toml"
DECODE_BYTES_A_PIXEL = 24
"""Measured: the hungriest kind of file, a turned WebP with transparency, takes 20."""
_CommaList = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """One frozen object; times in seconds unless the name says otherwise."""

    # An empty variable is what a template leaves behind (`NAME=`): it sets nothing.
    # An error must not quote the value it is about: it may be an address with its password.
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True, hide_input_in_errors=True
    )

    database_url: SecretStr = SecretStr("postgresql+psycopg://localhost/inventory")
    redis_url: SecretStr = SecretStr("redis://localhost:6379/0")

    bucket: str = "shelf-photos"
    queue_url: str = ""
    aws_region: str = "us-east-1"
    s3_endpoint: str | None = None
    sqs_endpoint: str | None = None
    aws_access_key_id: SecretStr | None = None
    aws_secret_access_key: SecretStr | None = None
    aws_read_timeout: float = Field(default=30, gt=0)
    """How long S3 and SQS may say nothing before they are asked again; longer than `queue_wait`."""
    allowed_buckets: _CommaList = ()
    """Events of other buckets are kept as rejected messages. Empty means `bucket` alone."""

    encoder_file: Path | None = None
    """The encoder a new database begins with, and the one that is evaluated; None means the shipped default. Which one
    serves is the database's affair (`inventory-match encoders`)."""
    encoder_sha256: str | None = None
    detector_file: Path | None = None
    """What finds facings for shelf cameras without fixed regions; None is the one that ships. `inventory-match train detector`
    makes others."""
    detector_sha256: str | None = None
    encoder_cache: Path = Path("~/.cache/inventory-match/encoders")
    """Where this machine keeps encoder files it fetched from the bucket."""
    encoder_max_bytes: int = Field(default=2**30, gt=0)
    embed_rate: float = Field(default=20, ge=0)
    """References a second, over all workers, that a new encoder's build may embed; 0: as fast as they can."""
    accept_similarity: float | None = Field(default=None, ge=-1, le=1)
    """Overrides the threshold calibrated with the encoder."""
    match_margin: float | None = Field(default=None, ge=0, le=2)
    expected_margins: float = Field(default=1.0, ge=0, le=10)
    """In a tie, a product that is planned or usual on the shelf is preferred by so many margins; 0: what is known beforehand
    decides nothing. Clear matches, however out of place, and unknown products never depend on it."""
    candidates: int = Field(default=5, ge=2, le=50)
    exact_search_below: int = Field(default=20_000, ge=0)
    """Up to this many eligible references the search is exact; above it goes through an index."""
    index_method: Literal["hnsw", "ivfflat"] = "hnsw"
    """Which index is built once references are that many: HNSW, or inverted lists (built sooner, found less)."""
    encoder_runtime: Literal["auto", "torch", "onnx"] = "auto"
    """What computes the vectors, which are the same either way; `auto` is the fastest that is installed."""
    torch_threads: int = Field(default=0, ge=0)
    """Cores that one process may embed with, whatever the runtime; 0: all."""

    photo_max_bytes: int = Field(default=25 * 2**20, gt=0)
    photo_max_pixels: int = Field(default=60_000_000, gt=0)
    decode_seconds: float | None = Field(default=None, gt=0)
    """A photo whose decoding takes longer is put down, and its worker goes on; None: 30, or a third of a shorter lease."""
    decode_max_mib: int = Field(default=1536, gt=0)
    """Memory that decoding one photo may take, MiB; held by the kernel on Linux."""
    min_brightness: float = Field(default=12.0, ge=0)
    min_contrast: float = Field(default=4.0, ge=0)
    min_sharpness: float = Field(default=4.0, ge=0)

    view_similarity: float = Field(default=0.8, ge=-1, le=1)
    view_layout: float = Field(default=0.36, ge=0, le=1)
    """A shelf photo that is less like its camera's usual view in both rests for a person; layout 0 never asks."""
    view_photos: int = Field(default=3, ge=1)
    """How many assessed photos make a camera's usual view."""

    photo_attempts: int = Field(default=8, ge=1)
    """With the doubling wait, eight ride out twenty minutes of a server being away."""
    photo_lease: float = Field(default=300, gt=0)
    """How long one attempt may hold a photo before the sweep gives it to another worker."""
    photo_retry_wait: float = Field(default=10, ge=0)
    """Wait after the first transient failure; doubles with each attempt."""
    rekick_after: float = Field(default=60, gt=0)
    """A photo still waiting this long after its last kick is kicked again: Redis may have lost the first."""
    sweep_interval: float = Field(default=15, gt=0)
    deliver_interval: float = Field(default=5, gt=0)
    queue_wait: int = Field(default=20, ge=0, le=20)
    keep_photos_days: int | None = Field(default=None, ge=1)
    """Photos older than this are deleted from the bucket; a store's own setting comes first. None keeps them."""

    keep_sightings_days: int | None = Field(default=None, ge=1)
    """Vectors of crops older than this go, but for those people are still asked about; what was decided stays."""
    keep_photo_rows_days: int | None = Field(default=None, ge=1)
    """Rows of photos older than this go, with what was seen on them, once the picture itself is gone. The ledger stays."""
    keep_messages_days: int | None = Field(default=None, ge=1)
    """Webhook messages nobody waits for and rejected queue messages older than this go."""

    webhook_timeout: float = Field(default=15, gt=0)
    webhook_schedule: _CommaList = ("5", "300", "1800", "7200", "18000", "36000", "50400", "72000", "86400")
    """Waits after a failed attempt, Standard Webhooks' own schedule; tests compress it."""
    webhook_allow: _CommaList = ()
    """Hosts and networks inside the company that receivers may live in; all other private addresses are refused."""

    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Where worker, intake and beat each answer /healthz, /readyz and /metrics; the next free one where it is taken, any
    free one for 0. None: nothing listens unasked."""
    metrics_host: str = "127.0.0.1"
    """Whoever reaches it reads how the shop is doing, without a password: no secrets, but not for everybody."""

    log_format: Literal["console", "json"] = "console"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"

    @field_validator("database_url")
    @classmethod
    def _for_psycopg(cls, value: SecretStr) -> SecretStr:
        """As people and other tools write it; only psycopg 3 is installed."""
        scheme, colon, rest = value.get_secret_value().partition("://")
        if not colon or scheme not in ("postgresql", "postgres", "postgresql+psycopg"):
            raise ValueError("write it as postgresql://user:password@host:5432/database")
        if rest.partition("?")[0].count("@") > 1:  # what follows the first would be taken for the host, and shown
            raise ValueError("write an @ in the password or the user as %40")
        return SecretStr(f"postgresql+psycopg://{rest}")

    @field_validator("redis_url")
    @classmethod
    def _for_redis(cls, value: SecretStr) -> SecretStr:
        """Now, because what cannot be read is quoted in part by whoever finds out later."""
        try:
            parts = urlsplit(value.get_secret_value())
            readable = parts.scheme in ("redis", "rediss", "unix") and (parts.port is None or parts.port >= 0)
        except ValueError:
            readable = False
        if not readable:
            raise ValueError(
                "write it as redis://:password@host:6379/0, with / ? # [ ] in the password as %2F %3F %23 %5B %5D"
            )
        return value

    @field_validator("allowed_buckets", "webhook_schedule", "webhook_allow", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        parts = value.split(",") if isinstance(value, str) else value
        return tuple(str(part).strip() for part in parts if str(part).strip()) if isinstance(parts, list) else value

    @field_validator("webhook_schedule")
    @classmethod
    def _seconds(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(0 <= float(part) < math.inf for part in value):
            raise ValueError("waits must be 0 or more seconds")
        return value

    @model_validator(mode="after")
    def _polls_in_peace(self) -> Self:
        if self.aws_read_timeout <= self.queue_wait:
            raise ValueError("aws_read_timeout must be longer than queue_wait, or every long poll is cut off")
        return self

    @model_validator(mode="after")
    def _decoding_fits(self) -> Self:
        if self.decode_seconds is not None and self.decode_seconds > self.photo_lease / 2:
            raise ValueError(
                f"decode_seconds {self.decode_seconds:g} is more than half of photo_lease {self.photo_lease:g}: a photo that"
                " hangs must be put down while its worker still holds it; lower decode_seconds or raise photo_lease"
            )
        least = math.ceil(self.photo_max_pixels * DECODE_BYTES_A_PIXEL / 2**20)
        if self.decode_max_mib < least:
            raise ValueError(
                f"decode_max_mib {self.decode_max_mib} is too little for photo_max_pixels {self.photo_max_pixels}, which"
                f" take up to {least} MiB; raise decode_max_mib or lower photo_max_pixels"
            )
        return self

    @property
    def decode_limit(self) -> float:
        """Seconds one photo may take to decode."""
        return min(30.0, max(1.0, self.photo_lease / 3)) if self.decode_seconds is None else self.decode_seconds

    @property
    def webhook_waits(self) -> tuple[float, ...]:
        return tuple(float(part) for part in self.webhook_schedule)

    @property
    def buckets(self) -> frozenset[str]:
        return frozenset(self.allowed_buckets) or frozenset({self.bucket})

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _from_toml(settings_cls)


def _from_toml(settings_cls: type[BaseSettings]) -> PydanticBaseSettingsSource:
    """Raises ConfigurationError where the file is no TOML, or was named and is not there."""
    path = config_file()
    if os.environ.get(CONFIG_VARIABLE) and not path.is_file():
        raise ConfigurationError(f"{path}: there is no such file; correct {CONFIG_VARIABLE}, or unset it")
    try:
        return TomlConfigSettingsSource(settings_cls, path)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from error


def config_file() -> Path:
    """The TOML file that is read where it exists."""
    return Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)


def origins(settings: Settings) -> dict[str, str]:
    """Where each setting came from: `environment`, the name of the TOML file, or `default`."""
    from_environment = EnvSettingsSource(Settings)()
    other = {
        name: str(config_file()) if name in settings.model_fields_set else "default" for name in Settings.model_fields
    }
    return other | dict.fromkeys(from_environment, "environment")
