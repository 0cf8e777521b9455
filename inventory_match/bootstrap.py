"""The only place where adapters are built: settings go in, an `App` comes out, and nothing is made before it is asked for.

So the intake never imports torch, `doctor` can look at one dependency while another is down, and a test swaps a part by
handing over another `Settings`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from inventory_match.db import catalog
from inventory_match.db.engine import UnitOfWork, make_engine, now
from inventory_match.domain.errors import ConfigurationError
from inventory_match.domain.matching import Thresholds
from inventory_match.domain.photos import QualityLimits
from inventory_match.domain.views import ViewLimits
from inventory_match.pipeline import Eyes, Patience, Rules
from inventory_match.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from sqlalchemy import Engine

    from inventory_match import ports
    from inventory_match.domain.photos import ObjectRef
    from inventory_match.encoder_files import EncoderFiles
    from inventory_match.enrol import Studio
    from inventory_match.kicks import CeleryKicker
    from inventory_match.reembed import Workshop
    from inventory_match.s3.queue import SqsQueue
    from inventory_match.s3.store import S3Store
    from inventory_match.vision.detection.weights import DetectorRecord
    from inventory_match.vision.encoder import FileEncoder
    from inventory_match.vision.isolation import IsolatedDecoder
    from inventory_match.vision.weights import EncoderRecord
    from inventory_match.webhooks.sender import WebhookSender

WORKERS = "inventory_match_workers.app"


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

    def clock(self) -> datetime:
        """The database's time: what is told, signed and judged must not depend on which worker's clock is off."""
        with self.unit_of_work() as session:
            return now(session)

    @cached_property
    def store(self) -> S3Store:
        from inventory_match.s3.store import S3Store

        return S3Store(self._s3, self.settings.photo_max_bytes)

    @cached_property
    def _s3(self) -> S3Client:
        from inventory_match.s3.clients import s3_client

        settings = self.settings
        timeout = settings.aws_read_timeout
        return s3_client(settings.s3_endpoint, settings.aws_region, *self._aws_keys(), read_timeout=timeout)

    @cached_property
    def queue(self) -> SqsQueue:
        from inventory_match.s3.clients import sqs_client
        from inventory_match.s3.queue import SqsQueue

        settings = self.settings
        if not settings.queue_url:
            raise ConfigurationError("no queue: set INVENTORY_MATCH_QUEUE_URL to the queue the bucket notifies")
        timeout = settings.aws_read_timeout
        client = sqs_client(settings.sqs_endpoint, settings.aws_region, *self._aws_keys(), read_timeout=timeout)
        return SqsQueue(client, settings.queue_url, settings.queue_wait)

    @cached_property
    def isolated_decoder(self) -> IsolatedDecoder:
        """One child process for everything this process decodes."""
        from inventory_match.vision.decoding import Limits
        from inventory_match.vision.isolation import isolated

        caps = self.settings
        limits = Limits(caps.photo_max_bytes, caps.photo_max_pixels, caps.decode_limit, caps.decode_max_mib)
        return isolated(limits)

    @cached_property
    def decoder(self) -> ports.Decoder:
        from inventory_match.vision.images import judged

        settings = self.settings
        limits = QualityLimits(settings.min_brightness, settings.min_contrast, settings.min_sharpness)
        return judged(self.isolated_decoder, limits)

    @cached_property
    def finder(self) -> ports.Finder:
        """The network behind shelf cameras without regions."""
        from inventory_match.vision.detection.finder import FileFinder

        return FileFinder(self.detector_record, self.settings.torch_threads, self.encoder_cache)

    @cached_property
    def detector_record(self) -> DetectorRecord:
        """What the configured detector file says of itself. Raises ConfigurationError where it is missing or altered."""
        from inventory_match.vision.detection.weights import read_record, shipped_default

        path = self.settings.detector_file
        return shipped_default() if path is None else read_record(path, self.settings.detector_sha256)

    @cached_property
    def detector(self) -> ports.Detector:
        from inventory_match.vision.facings import Facings

        # The network is loaded by the first photo that asks for it, if any does.
        return Facings(lambda image: self.finder(image))  # noqa: PLW0108 - `self.finder` would load it here

    @cached_property
    def prints(self) -> ports.Prints:
        from inventory_match.vision.prints import KnownPrints

        return KnownPrints(self.pixels)

    @cached_property
    def far_views(self) -> ports.FarViews:
        from inventory_match.vision.far_views import FarViews

        return FarViews(self.pixels)

    @cached_property
    def encoder_record(self) -> EncoderRecord:
        """What the configured model file says of itself. Raises ConfigurationError where it is missing or altered."""
        from inventory_match.vision.weights import read_record, shipped_default

        path = self.settings.encoder_file
        return shipped_default() if path is None else read_record(path, self.settings.encoder_sha256)

    def make_encoder(self, record: EncoderRecord) -> FileEncoder:
        """What runs an encoder file."""
        from inventory_match.vision.runtimes import load_encoder

        settings = self.settings
        return load_encoder(record, settings.encoder_runtime, threads=settings.torch_threads, kept=self.encoder_cache)

    @property
    def encoder_cache(self) -> Path:
        """This host's folder for encoder files and what is made of them."""
        return self.settings.encoder_cache.expanduser()

    @cached_property
    def encoder(self) -> FileEncoder:
        """The configured one, which a new database begins with; see `active_encoder` for the one that serves."""
        return self.make_encoder(self.encoder_record)

    @cached_property
    def encoder_files(self) -> EncoderFiles:
        from inventory_match.encoder_files import EncoderFiles
        from inventory_match.s3.store import S3Store

        settings = self.settings
        store = S3Store(self._s3, settings.encoder_max_bytes)
        return EncoderFiles(store, settings.bucket, self.encoder_cache, lambda: self.encoder_record, self.make_encoder)

    @cached_property
    def thresholds(self) -> Thresholds:
        """What was calibrated with the configured encoder, unless a setting overrides it."""
        return self.overridden(self.encoder_record.thresholds)

    def active_encoder(self) -> tuple[ports.Encoder, Rules]:
        """The encoder the database says is active at this moment, and the rules that go with it."""
        with self.unit_of_work() as session:
            row = catalog.active_encoder(session)
        thresholds = self.overridden(Thresholds.from_mapping(row.thresholds))
        return self.encoder_files.encoder(row), self._rules(thresholds)

    def sight(self) -> tuple[Eyes, Rules]:
        """What one photo is seen and settled with. Asked anew for each, because the active encoder may be another by then."""
        from inventory_match.vision.images import crop

        encoder, rules = self.active_encoder()
        return Eyes(self.store, self.decoder, self.detector, encoder, crop, self.prints, self.far_views), rules

    @cached_property
    def reference_decoder(self) -> ports.Decoder:
        """Knows no quality limits: a packshot may be as plain as it likes. Isolated too: whoever may write to the bucket
        or to a catalog's folder decides what it reads, and a task that embeds references has hours to hang in."""
        from inventory_match.vision.isolation import firmly

        return firmly(self.isolated_decoder)

    def pixels(self, ref: ObjectRef) -> ports.Image:
        """An object of the bucket, upright, RGB (h, w, 3). Raises PhotoSuperseded where it is gone."""
        return self.reference_decoder(self.store.fetch(ref)).image

    @property
    def studio(self) -> Studio:
        """What enrolling a catalog needs, with the encoder that is active now; before there is one, the configured one."""
        from inventory_match.enrol import Studio
        from inventory_match.vision.images import crop
        from inventory_match.vision.jpeg import encode_jpeg

        with self.unit_of_work() as session:
            row = catalog.active_encoder(session) if catalog.has_active_encoder(session) else None
        record = self.encoder_files.record(row) if row else self.encoder_record
        encoder = self.encoder_files.encoder(row) if row else self.encoder
        parts = self.store, self.settings.bucket, self.reference_decoder, crop, encode_jpeg
        return Studio(*parts, encoder, record, record.thresholds)

    @cached_property
    def workshop(self) -> Workshop:
        """What embedding the catalog anew needs."""
        from inventory_match.reembed import Workshop

        settings = self.settings
        decode, files = self.reference_decoder, self.encoder_files
        index = settings.exact_search_below, settings.index_method
        return Workshop(self.store, decode, files, settings.embed_rate, *index)

    @cached_property
    def rules(self) -> Rules:
        """With the thresholds of the configured encoder; see `active_encoder` for those that serve."""
        return self._rules(self.thresholds)

    def _rules(self, thresholds: Thresholds) -> Rules:
        settings = self.settings
        views = ViewLimits(settings.view_similarity, settings.view_layout, settings.view_photos)
        search = settings.candidates, settings.exact_search_below
        return Rules(thresholds, *search, views=views, expected_margins=settings.expected_margins)

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
    def kicker(self) -> CeleryKicker:
        from inventory_match.kicks import CeleryKicker

        return CeleryKicker(self.settings.redis_url.get_secret_value())

    def overridden(self, calibrated: Thresholds) -> Thresholds:
        """An encoder's thresholds, unless a setting overrides them."""
        settings = self.settings
        return Thresholds(
            accept=calibrated.accept if settings.accept_similarity is None else settings.accept_similarity,
            margin=calibrated.margin if settings.match_margin is None else settings.match_margin,
        )

    def _aws_keys(self) -> tuple[str | None, str | None]:
        return _plain(self.settings.aws_access_key_id), _plain(self.settings.aws_secret_access_key)


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
