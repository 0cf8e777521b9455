"""Which checks make up which report, and what mends each where it cannot even look."""

from __future__ import annotations

from functools import partial

from inventory_match.checkup import database, live, services
from inventory_match.checkup.chains import Chain, Step, Verdict

_GRANT = "check the endpoint, the region, the credentials and their rights (README: least-privilege policy)"
_POSTGRES = Step("postgres", database.postgres, "start it, or correct INVENTORY_MATCH_DATABASE_URL")
_MIGRATIONS = Step("migrations", database.migrated, "inventory-match db upgrade", needs="postgres")
_ENCODER = Step("encoder in use", database.registered, _GRANT, needs="migrations")
_REDIS = Step("redis", services.redis, "start it, or correct INVENTORY_MATCH_REDIS_URL")
_QUEUE = Step("queue", services.queue, _GRANT)
ALL: tuple[Chain, ...] = (
    (
        _POSTGRES,
        Step("pgvector", database.pgvector, "as a superuser: create extension vector", needs="postgres"),
        _MIGRATIONS,
        Step("schema", database.drift, "inventory-match db check", needs="migrations"),
        Step("roles", database.roles, "have a DBA run what `inventory-match db roles` prints", needs="migrations"),
        _ENCODER,
        Step("photos", database.flowing, "inventory-match photos list", needs="migrations"),
    ),
    (
        _REDIS,
        Step(
            "workers",
            partial(services.workers, unserved=Verdict.WARN),
            "start one: inventory-match worker",
            needs="redis",
        ),
    ),
    (Step("bucket", services.bucket, _GRANT),),
    (_QUEUE,),
    (
        Step(
            "encoder file",
            services.encoder_file,
            "set INVENTORY_MATCH_ENCODER_FILE and _SHA256, or unset both for the shipped one",
        ),
        Step(
            "detector file",
            services.detector_file,
            "set INVENTORY_MATCH_DETECTOR_FILE and _SHA256, or unset both for the shipped one",
        ),
    ),
)
"""What `doctor` looks at: whatever the product depends on, running or not."""
READY: tuple[Chain, ...] = ((_POSTGRES, _MIGRATIONS), (_REDIS,))
"""What beat must have to do its work."""
READY_TO_TAKE_IN: tuple[Chain, ...] = (*READY, (_QUEUE,))
"""What an intake must have."""
READY_TO_SEE: tuple[Chain, ...] = ((_POSTGRES, _MIGRATIONS, _ENCODER), (_REDIS,))
"""What a worker must have."""
LIVE: tuple[Chain, ...] = (
    (
        _POSTGRES,
        _MIGRATIONS,
        Step("sweep", live.swept, "start it: inventory-match beat", needs="migrations"),
        Step("photos waiting", live.photos_waiting, "inventory-match photos list", needs="migrations"),
        Step("outbox", live.outbox, "inventory-match webhooks deliveries", needs="migrations"),
        Step("cameras", live.cameras, "look at the camera, its network, its key", needs="migrations"),
    ),
    (
        _REDIS,
        Step(
            "workers",
            partial(services.workers, unserved=Verdict.FAIL),
            "start one: inventory-match worker",
            needs="redis",
        ),
    ),
    (_QUEUE,),
)
"""What `doctor --live` judges: whether the running services do their work, and how fresh it is."""
