"""Looks at what runs: do workers answer, has beat's sweep run lately, and does anything wait longer than it should?"""

from __future__ import annotations

import json
from contextlib import closing
from datetime import timedelta
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from inventory_match.bootstrap import App
from inventory_match.checkup.chains import Check, Found, Verdict
from inventory_match.db import vitals

LATE = timedelta(minutes=15)
"""A photo or a webhook whose turn has come and that waits longer is a sign of trouble, whatever the load."""
SWEEPS_MISSED = 4
_MOST_BYTES = 2**20


def swept(app: App) -> Found:
    with app.unit_of_work() as session:
        ago = vitals.take(session).chores.get("sweep")
    allowed = max(60.0, SWEEPS_MISSED * app.settings.sweep_interval)
    if ago is None:
        return Found(Verdict.FAIL, "it never ran", "start them: inventory-match beat, inventory-match worker")
    if ago > allowed:
        cure = "is beat running, and a worker that serves chores?"
        return Found(Verdict.FAIL, f"last ran {_span(ago)} ago, {_span(allowed)} is allowed", cure)
    return Found(Verdict.OK, f"last ran {_span(ago)} ago")


def photos_waiting(app: App) -> Found:
    with app.unit_of_work() as session:
        found = vitals.take(session)
    number = found.photos.get("registered", 0) + found.photos.get("processing", 0)
    detail = f"{number} wait, and it is the oldest one's turn since {_span(found.photo_overdue)}"
    cure = "more workers, or `select id, waiting_for from inventory_match.photo_log where waiting_for is not null`"
    return _late(found.photo_overdue, detail if number else "none waits", cure)


def outbox(app: App) -> Found:
    with app.unit_of_work() as session:
        found = vitals.take(session)
    number = found.deliveries.get("pending", 0)
    detail = f"{number} deliveries wait, and one is due since {_span(found.delivery_overdue)}"
    return _late(
        found.delivery_overdue, detail if number else "nothing waits", "is a worker running that serves chores?"
    )


def cameras(app: App) -> Found:
    with app.unit_of_work() as session:
        silent = vitals.take(session).silent_cameras
    if silent:
        return Found(Verdict.WARN, f"{silent} are silent", "look at the camera, its network, and the keys it writes")
    return Found(Verdict.OK, "none is silent")


def ready(url: str, seconds: float = 8.0) -> Check:
    """What the `/readyz` of a process at `url` says: http://host:port, no proxy asked."""
    split = urlsplit(url)
    try:
        kinds = {"http": HTTPConnection, "https": HTTPSConnection}
        connection = kinds[split.scheme](str(split.hostname), split.port, timeout=seconds)
        with closing(connection):
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            told = json.loads(answer.read(_MOST_BYTES))
        wrong = [f"{check['check']}: {check['detail']}" for check in told["checks"] if check["verdict"] == Verdict.FAIL]
    except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
        cure = "give the address of a process' INVENTORY_MATCH_METRICS_PORT, such as http://127.0.0.1:9464"
        return Check("ready", Verdict.FAIL, f"no answer from {split.netloc}: {type(error).__name__}: {error}", cure)
    if answer.status != 200 or wrong:
        return Check("ready", Verdict.FAIL, f"{split.netloc} says: {'; '.join(wrong)}", "see `inventory-match doctor`")
    return Check("ready", Verdict.OK, f"{split.netloc} is, by {len(told['checks'])} checks", "")


def _late(overdue: float, detail: str, cure: str) -> Found:
    return Found(Verdict.FAIL, detail, cure) if overdue > LATE.total_seconds() else Found(Verdict.OK, detail)


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
