"""Kicks: bare ids on their way to the workers through Redis, by the names of the tasks, so that nobody imports the workers."""

from __future__ import annotations

from inventory_match.domain.errors import ServiceUnavailable

PROCESS_PHOTO = "inventory_match.process_photo"
EMBED_REFERENCES = "inventory_match.embed_references"
PHOTOS = "photos"
"""The queue of photos' kicks."""


class CeleryKicker:
    """Sends bare ids to the workers through Redis. A lost kick costs delay: the chores send it again."""

    def __init__(self, redis_url: str) -> None:
        from celery import Celery

        self._url = redis_url
        self._celery = Celery("inventory_match", broker=redis_url, set_as_current=False)
        self._celery.conf.update(
            task_ignore_result=True,
            broker_transport_options={"socket_timeout": 5, "socket_connect_timeout": 5, "max_retries": 1},
            task_publish_retry=False,
        )

    def kick(self, photo_id: int) -> None:
        """A photo waits. Raises ServiceUnavailable where Redis does not answer."""
        self._send(PROCESS_PHOTO, photo_id, queue=PHOTOS)

    def waiting(self) -> int:
        """Kicks of photos that no worker has taken yet. Raises ServiceUnavailable where Redis does not answer."""
        from redis import Redis, RedisError

        try:
            with Redis.from_url(self._url, socket_timeout=5, socket_connect_timeout=5) as client:
                return int(client.llen(PHOTOS))
        except RedisError as error:
            raise ServiceUnavailable(f"redis did not say how many kicks wait: {error}") from error

    def kick_embedding(self, encoder_id: int) -> None:
        """References wait for their vector by this encoder. Raises ServiceUnavailable where Redis does not answer."""
        self._send(EMBED_REFERENCES, encoder_id, queue="embedding")

    def _send(self, task: str, number: int, queue: str) -> None:
        from kombu.exceptions import OperationalError
        from redis import RedisError

        try:
            self._celery.send_task(task, args=[number], queue=queue)
        except (OperationalError, RedisError) as error:  # the second: full, read-only, or loading its data
            raise ServiceUnavailable(f"redis did not take the kick {task}({number}): {error}") from error
