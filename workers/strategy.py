"""How a worker takes a message for one of our tasks: one that is no list of arguments costs itself, not the worker.

Celery refuses content it does not accept, but a body of bytes or of plain text under a task's name ends the whole worker with
a TypeError, and comes back to end the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.exceptions import InvalidTaskError
from celery.worker.strategy import default


def careful(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Celery's own strategy; what it cannot make sense of is logged and thrown away as an invalid task."""
    take = default(task, app, consumer, **options)

    def taken(message: Any, body: Any, *more: Any, **named: Any) -> Any:
        payload = message.payload  # content that is not accepted, or cannot be decoded, ends here, which Celery handles
        shape = [type(part) for part in payload] if isinstance(payload, list | tuple) else None
        if shape != [list, dict, dict]:
            raise InvalidTaskError("the body is not [arguments, named arguments, options]")
        return take(message, body, *more, **named)

    return taken
