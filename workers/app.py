"""The Celery application: JSON only, late acks, one message in hand at a time, and the beat of the chores.

Redis carries kicks and nothing else: every task takes an id or nothing at all, looks at Postgres, and is safe to run twice.
Started with `inventory-match worker` and `inventory-match beat`, or `celery -A inventory_match_workers.app worker`.
"""

from __future__ import annotations

import logging
from functools import cache
from importlib import import_module

from celery import Celery, Task
from celery.signals import setup_logging, worker_init, worker_process_init

from inventory_match.bootstrap import App
from inventory_match.logs import configure_logging
from inventory_match.settings import Settings


@cache
def app_parts() -> App:
    """The adapters of this process, built after the fork, so that no connection is shared between processes."""
    return App(Settings())


class OurTask(Task):  # type: ignore[type-arg] # generic for type checkers only
    Strategy = f"{__package__}.strategy:careful"


def _make(settings: Settings) -> Celery[OurTask]:
    broker = settings.redis_url.get_secret_value()
    made = Celery("inventory_match", broker=broker, include=[f"{__package__}.tasks"], task_cls=OurTask)
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
        # A chore that waited longer than its interval is overtaken by the next one.
        entry["options"] = {"expires": max(entry["schedule"], 10.0)}
    return made


@setup_logging.connect
def _log(**_: object) -> None:
    settings = Settings()
    configure_logging(settings.log_format, settings.log_level)
    for chatty in ("celery.worker.strategy", "celery.app.trace", "celery.beat"):
        # A line for every chore every few seconds says nothing; what failed is logged as a warning or worse.
        logging.getLogger(chatty).setLevel(logging.WARNING)


@worker_init.connect
def _import_once(**_: object) -> None:
    """Before the fork: the processes share torch's memory, and the first photo of each does not wait for its import."""
    import_module("torchvision")


@worker_process_init.connect
def _fresh(**_: object) -> None:
    app_parts.cache_clear()


app = _make(Settings())
