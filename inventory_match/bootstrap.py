"""The only place where adapters are built: settings go in, an `App` comes out, and nothing is made before it is asked for.

So the intake never imports torch, `doctor` can look at one dependency while another is down, and a test swaps a part by
handing over another `Settings`.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from functools import cached_property
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from inventory_match.db.engine import UnitOfWork, make_engine
from inventory_match.domain.errors import ConfigurationError, ServiceUnavailable
from inventory_match.domain.matching import Thresholds
from inventory_match.domain.photos import QualityLimits
from inventory_match.pipeline import Eyes, Patience, Rules
from inventory_match.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from inventory_match import ports
    from inventory_match.enrol import Studio
    from inventory_match.s3.queue import SqsQueue
    from inventory_match.s3.store import S3Store
    from inventory_match.vision.encoder import TorchEncoder
    from inventory_match.vision.weights import EncoderRecord
    from inventory_match.webhooks.sender import WebhookSender

WORKERS = "inventory_match_workers.app"
PROCESS_PHOTO = "inventory_match.process_photo"


def migrations() -> Path:
    """The folder of the migrations, in a checkout and in an installed wheel alike."""
    return Path(str(files("inventory_match_migrations")))


class App:
    """Every adapter of one configuration, each built on first use and kept."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def engine(self) -> Engine:
        return make_engine(self.settings.database_url.get_secret_value())

    @cached_property
    def unit_of_work(self) -> UnitOfWork:
        return UnitOfWork(self.engine)

    @cached_property
    def store(self) -> S3Store:
        from inventory_match.s3.clients import s3_client
        from inventory_match.s3.store import S3Store

        settings = self.settings
        client = s3_client(settings.s3_endpoint, settings.aws_region, *self._aws_keys())
        return S3Store(client, settings.photo_max_bytes)

    @cached_property
    def queue(self) -> SqsQueue:
        from inventory_match.s3.clients import sqs_client
        from inventory_match.s3.queue import SqsQueue

        settings = self.settings
        if not settings.queue_url:
            raise ConfigurationError("no queue: set INVENTORY_MATCH_QUEUE_URL to the queue the bucket notifies")
        client = sqs_client(settings.sqs_endpoint, settings.aws_region, *self._aws_keys())
        return SqsQueue(client, settings.queue_url, settings.queue_wait)

    @cached_property
    def decoder(self) -> ports.Decoder:
        from inventory_match.vision.images import decoder

        settings = self.settings
        limits = QualityLimits(settings.min_brightness, settings.min_contrast, settings.min_sharpness)
        return decoder(settings.photo_max_bytes, settings.photo_max_pixels, limits)

    @cached_property
    def detector(self) -> ports.Detector:
        from inventory_match.vision.detector import FixedRegions

        return FixedRegions()

    @cached_property
    def encoder_record(self) -> EncoderRecord:
        """What the configured model file says of itself. Raises ConfigurationError where it is missing or altered."""
        from inventory_match.vision.weights import read_record, shipped_default

        path = self.settings.encoder_file
        return shipped_default() if path is None else read_record(path, self.settings.encoder_sha256)

    @cached_property
    def encoder(self) -> TorchEncoder:
        from inventory_match.vision.encoder import TorchEncoder

        return TorchEncoder(self.encoder_record, threads=self.settings.torch_threads)

    @cached_property
    def thresholds(self) -> Thresholds:
        """What was calibrated with the encoder, unless a setting overrides it."""
        calibrated, settings = self.encoder_record.thresholds, self.settings
        return Thresholds(
            accept=calibrated.accept if settings.accept_similarity is None else settings.accept_similarity,
            margin=calibrated.margin if settings.match_margin is None else settings.match_margin,
        )

    @cached_property
    def eyes(self) -> Eyes:
        from inventory_match.vision.images import crop

        return Eyes(self.store, self.decoder, self.detector, self.encoder, crop)

    @cached_property
    def studio(self) -> Studio:
        """What enrolling a catalog needs. Its decoder knows no quality limits: a packshot may be as plain as it likes."""
        from inventory_match.enrol import Studio
        from inventory_match.vision.images import crop, decoder
        from inventory_match.vision.jpeg import encode_jpeg

        settings = self.settings
        decode = decoder(settings.photo_max_bytes, settings.photo_max_pixels)
        return Studio(
            self.store, settings.bucket, decode, crop, encode_jpeg, self.encoder, self.encoder_record, self.thresholds
        )

    @cached_property
    def rules(self) -> Rules:
        return Rules(self.thresholds, self.settings.candidates, self.settings.exact_search_below)

    @cached_property
    def patience(self) -> Patience:
        settings = self.settings
        lease, wait = timedelta(seconds=settings.photo_lease), timedelta(seconds=settings.photo_retry_wait)
        return Patience(settings.photo_attempts, lease, wait)

    @cached_property
    def sender(self) -> WebhookSender:
        from inventory_match.webhooks.sender import WebhookSender

        return WebhookSender(
            self.settings.webhook_timeout,
            self.settings.webhook_allow,
            total_timeout=2 * self.settings.webhook_timeout,
            user_agent=f"inventory-match/{version('inventory-match')}",
        )

    @cached_property
    def kicker(self) -> ports.Kicker:
        return CeleryKicker(self.settings.redis_url)

    def _aws_keys(self) -> tuple[str | None, str | None]:
        return _plain(self.settings.aws_access_key_id), _plain(self.settings.aws_secret_access_key)


class CeleryKicker:
    """Sends the bare id of a photo to the workers through Redis. A lost kick costs delay: the sweep sends it again."""

    def __init__(self, redis_url: SecretStr) -> None:
        from celery import Celery

        self._celery = Celery("inventory_match", broker=redis_url.get_secret_value(), set_as_current=False)
        self._celery.conf.update(
            task_ignore_result=True,
            broker_transport_options={"socket_timeout": 5, "socket_connect_timeout": 5, "max_retries": 1},
            task_publish_retry=False,
        )

    def kick(self, photo_id: int) -> None:
        """Raises ServiceUnavailable where Redis does not answer."""
        from kombu.exceptions import OperationalError

        try:
            self._celery.send_task(PROCESS_PHOTO, args=[photo_id], queue="photos")
        except OperationalError as error:
            raise ServiceUnavailable(f"redis did not take the kick for photo {photo_id}: {error}") from error


def configure_logging(form: str, level: str) -> None:
    """Structured logs on stderr, for people (`console`) or for machines (`json`)."""
    import logging

    import structlog

    logging.basicConfig(format="%(message)s", stream=sys.stderr, level=level, force=True)
    last = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
