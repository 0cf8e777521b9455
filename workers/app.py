"""The Celery application: JSON only, late acks, one message in hand at a time, and the beat of the chores.

Redis carries kicks and nothing else: every task takes an id or nothing at all, looks at Postgres, and is safe to run twice.
Started with `inventory-match worker` and `inventory-match beat`, or `celery -A inventory_match_workers.app worker`.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any

import structlog
from celery import Celery, Task
from celery.signals import celeryd_init, setup_logging, worker_process_init

from inventory_match import models_at_start
from inventory_match.bootstrap import App
from inventory_match.domain.errors import ConfigurationError, Transient
from inventory_match.logs import configure_logging
from inventory_match.settings import Settings
from inventory_match.vision.detection.looks import prepare as prepare_detector
from inventory_match.vision.runtimes import prepare_encoder
from inventory_match.vitals.waiting import answered_meanwhile

from . import endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

_log_of_tasks = structlog.get_logger(__name__)
CLOCKS_APART_S = 900.0
"""By so much may the clocks of workers and beat differ before chores are thrown away unseen."""


class OurTask(Task[Any, Any]):
    """A message that is none of ours is refused (see `strategy.py`). A server that is away is told in a line: the sweep, or
    the next round, does what was not done."""

    Strategy = f"{__package__}.strategy:careful"
    throws = (Transient,)

    def on_failure(self, exc: BaseException, *_: object, **__: object) -> None:
        """Celery tells what is expected among the chatter that is not logged."""
        if isinstance(exc, Transient):
            _log_of_tasks.warning("task put off", task=self.name, cause=str(exc))


@cache
def app_parts() -> App:
    """The adapters of this process, built after the fork, so that no connection is shared between processes."""
    return App(Settings())


def _make(settings: Settings) -> Celery[Task[Any, Any]]:
    broker, tasks = settings.redis_url.get_secret_value(), [f"{__package__}.tasks"]
    made: Celery[Task[Any, Any]] = Celery("inventory_match", broker=broker, include=tasks, task_cls=OurTask)
    prefix = "inventory_match"
    made.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        # A photo that hangs is put down before its lease ends and another worker may take it.
        task_time_limit=settings.photo_lease * 0.9,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"visibility_timeout": max(3600, settings.photo_lease * 4)},
        task_default_queue="chores",
        # A queue of its own, so that neither photos nor what each of them sends keep a build from going on.
        task_routes={f"{prefix}.process_photo": {"queue": "photos"}, f"{prefix}.embed_*": {"queue": "embedding"}},
        worker_hijack_root_logger=False,
        timezone="UTC",
        beat_schedule={
            "sweep": {"task": f"{prefix}.sweep", "schedule": settings.sweep_interval},
            "deliver": {"task": f"{prefix}.deliver_webhooks", "schedule": settings.deliver_interval},
            "embed": {"task": f"{prefix}.embed_missing", "schedule": settings.sweep_interval},
            "silence": {"task": f"{prefix}.notice_silence", "schedule": 60.0},
            "digests": {"task": f"{prefix}.flush_digests", "schedule": 60.0},
            "expire": {"task": f"{prefix}.expire_photos", "schedule": 3600.0},
        },
    )
    for entry in made.conf.beat_schedule.values():
        # A chore that waited this long is overtaken by the next one. The worker that throws it away judges by its own clock.
        entry["options"] = {"expires": max(entry["schedule"], CLOCKS_APART_S)}
    return made


@celeryd_init.connect  # before Celery's first word, a warning to whoever is root
@setup_logging.connect
def _log(**_: object) -> None:
    settings = Settings()
    configure_logging(settings.log_format, settings.log_level)
    for chatty in ("celery.worker.strategy", "celery.app.trace", "celery.beat"):
        # A line for every chore every few seconds says nothing; what failed is logged as a warning or worse.
        logging.getLogger(chatty).setLevel(logging.WARNING)


@celeryd_init.connect
def _refuse_without_models(options: Mapping[str, Any], **_: object) -> None:
    """A worker that can see nothing ends here, before it takes a photo from one that can; one that can gets ready to.

    What is made ready before the fork, every process of the pool has: one that comes in the place of a killed one, too.
    One that sees no photos waits for the schema alone.
    """
    served = options.get("queues") or ()  # names, one by one or with commas between them; none: all
    blind = served and not {"photos", "embedding"} & set(served if not isinstance(served, str) else served.split(","))
    _log()
    parts = App(Settings())
    try:
        with answered_meanwhile("worker", parts.settings):
            if blind:
                models_at_start.wait_for(parts, models_at_start.check_schema)
                return
            record = models_at_start.wait_for(parts, models_at_start.check)
        # With no thread of ours left: what is made ready stays for the fork.
        prepare_encoder(record, parts.settings.encoder_runtime, parts.encoder_cache)
        prepare_detector(parts.detector_record, parts.encoder_cache)
    except ConfigurationError as error:
        raise SystemExit(f"Error: {error}") from error
    finally:
        parts.engine.dispose()  # before the fork: no connection is shared between processes


@worker_process_init.connect
def _fresh(**_: object) -> None:
    app_parts.cache_clear()


app = _make(Settings())
endpoint.watch(app)
