"""The product's own worker, whose broker believes after a second that a task is lost: `celery --app tests.faults.impatient`."""

from __future__ import annotations

from workers.app import app

__all__ = ["app"]
app.conf.broker_transport_options = {"visibility_timeout": 1}
