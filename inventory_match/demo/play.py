"""Plays the day against the running system: each camera uploads its next photo once its last one has come to rest.

That is how cameras behave, half an hour compressed into half a second. Everything goes through the front door: bytes into
S3, a second copy of an event into the queue. Nothing here touches the system's tables except to look.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING

from sqlalchemy import text

from inventory_match.demo.pictures import photo_bytes
from inventory_match.domain.errors import ServiceUnavailable

if TYPE_CHECKING:
    from inventory_match.bootstrap import App
    from inventory_match.demo.day import Day, Shot
    from inventory_match.domain.photos import ObjectRef

Paintings = Mapping[str, "Future[bytes]"]
"""Key to the photo being rendered."""
REST_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.1
_RESTS = """
select exists (select from inventory_match.photo
               where key = :key and state not in ('registered', 'processing', 'unrouted'))
"""
_QUIET = """
select not exists (select from inventory_match.photo where state in ('registered', 'processing', 'unrouted'))
   and not exists (select from inventory_match.delivery where state = 'pending')
   and not exists (select from inventory_match.stock_watch where dirty)
"""


@contextmanager
def painting(day: Day) -> Iterator[Paintings]:
    """Renders the day's photos in a process of their own, from now on, in order of upload; by key."""
    # Spawned, not forked: this process holds threads and connections that a fork would copy half.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=os.nice, initargs=(5,)) as painter:
        yield {shot.key: painter.submit(photo_bytes, day, shot) for shot in day.shots}


def play(app: App, day: Day, painted: Paintings, played: Callable[[Shot], None]) -> None:
    """Uploads every shot, one camera beside the other; calls `played` (from two threads) when a photo has come to rest.

    Raises ServiceUnavailable when one does not rest in time.
    """
    with ThreadPoolExecutor(len(day.cameras)) as cameras:
        rounds = [cameras.submit(_play_camera, app, day, camera.code, painted, played) for camera in day.cameras]
        for finished in rounds:
            finished.result()
    _await(partial(_is_quiet, app), "every photo to rest and every webhook to arrive")


def _play_camera(app: App, day: Day, camera: str, painted: Paintings, played: Callable[[Shot], None]) -> None:
    for shot in day.shots:
        if shot.camera == camera:
            ref = app.store.put(app.settings.bucket, shot.key, painted[shot.key].result())
            for _ in range(shot.events - 1):
                _announce_again(app, ref)
            _await(partial(_rests, app, shot.key), f"{shot.key} to rest")
            played(shot)


def _announce_again(app: App, ref: ObjectRef) -> None:
    """The same event once more, as S3 may send it at any time."""
    s3 = {"bucket": {"name": ref.bucket}, "object": {"key": ref.key, "eTag": ref.etag}}
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "eventTime": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
        "s3": s3,
    }
    app.queue.send(json.dumps({"Records": [record]}))


def _rests(app: App, key: str) -> bool:
    with app.unit_of_work() as session:
        return bool(session.execute(text(_RESTS), {"key": key}).scalar_one())


def _is_quiet(app: App) -> bool:
    with app.unit_of_work() as session:
        return bool(session.execute(text(_QUIET)).scalar_one()) and app.queue.depth() == 0


def _await(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + REST_WITHIN_S
    while not holds():
        if time.monotonic() > deadline:
            raise ServiceUnavailable(f"waited {REST_WITHIN_S:g} s for {what}; the log of `up` may say why")
        time.sleep(_LOOK_EVERY_S)
