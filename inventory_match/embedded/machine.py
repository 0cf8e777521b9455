"""One machine with everything the product needs: Postgres, Redis, S3 and SQS on loopback, kept in one directory.

    with Machine(Path(".inventory-match")) as machine:
        subprocess.run([...], env={**os.environ, **machine.environment()})

The three servers start at the same time and each is waited for until it answers. The directory is locked while the
machine is up. Whatever becomes of this process, its servers stop: see `warden`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from inventory_match.domain.errors import ConfigurationError
from inventory_match.embedded.directory import DirectoryLock, password
from inventory_match.embedded.loopback import choose_port
from inventory_match.embedded.objects import Objects
from inventory_match.embedded.postgres import Postgres
from inventory_match.embedded.redis import Redis
from inventory_match.embedded.server import Server
from inventory_match.embedded.warden import Warden

ACCESS_KEY_ID = "embedded"
SECRET_ACCESS_KEY = "embedded"  # noqa: S105  # nosec B105
"""The stand-in checks no signature; AWS clients insist on having something to sign with."""


class Machine:
    """A context manager. A port None means a free one; `data` None means a temporary directory, removed at the end, for
    which Postgres does not wait for the disk.

    Raises ConfigurationError when `data` or a port is in use, ServiceUnavailable with the end of the log when a
    server does not come up; then nothing is left running.
    """

    def __init__(
        self,
        data: Path | None = None,
        *,
        postgres_port: int | None = None,
        redis_port: int | None = None,
        s3_port: int | None = None,
        bucket: str = "shelf-photos",
        queue: str = "photo-events",
        region: str = "us-east-1",
    ) -> None:
        self._data, self._temporary = data, data is None
        self._wanted = {"Postgres": postgres_port, "Redis": redis_port, "S3": s3_port}
        self.bucket, self._queue, self.region = bucket, queue, region
        self._lock: DirectoryLock | None = None
        self._warden: Warden | None = None
        self._servers: list[Server] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when all three answer."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the servers and free the directory. May be called twice."""
        with ThreadPoolExecutor(len(self._servers) or 1) as pool:
            list(pool.map(lambda server: server.stop(), self._servers))
        self._servers.clear()
        if self._warden is not None:
            self._warden.close()
            self._warden = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        if self._temporary and self._data is not None:
            shutil.rmtree(self._data, ignore_errors=True)
            self._data = None

    def restart(self, name: Literal["postgres", "redis", "s3"], *, at_once: bool = False) -> None:
        """Stop one server and start it on the same port with the same data; returns when it answers.

        `at_once` is a crash: SIGQUIT (immediate shutdown) for Postgres, SIGKILL for the others. Redis forgets its kicks
        either way, and S3 the messages in its queue. Not to be called while another thread starts or stops the machine.
        """
        if self._warden is None:
            raise ConfigurationError(f"{name} cannot be restarted: the machine is not up")
        servers: dict[str, Server] = {"postgres": self._postgres, "redis": self._redis, "s3": self._objects}
        servers[name].restart(self._warden, at_once=at_once)

    def check(self) -> None:
        """Raise ServiceUnavailable, with the end of its log, when a server has ended by itself."""
        for server in self._servers:
            server.check()

    @property
    def data(self) -> Path:
        """The directory everything is kept in."""
        if self._data is None:
            raise ConfigurationError("a machine with a temporary directory has one only while it is up")
        return self._data

    @property
    def dsn(self) -> str:
        """For SQLAlchemy, with the password of a superuser called `inventory`, whose database has the same name."""
        return self._postgres.dsn

    @property
    def redis_url(self) -> str:
        return self._redis.url

    @property
    def s3_endpoint(self) -> str:
        """Speaks S3 (path style) and SQS."""
        return self._objects.endpoint

    @property
    def queue_url(self) -> str:
        return self._objects.queue_url

    @property
    def complaints(self) -> list[str]:
        """Objects that could not be restored, one sentence each; their files stay where they are."""
        return self._objects.unreadable()

    @property
    def pids(self) -> dict[str, int]:
        """Process number of each running server."""
        return {server.name: server.pid for server in self._servers if server.pid is not None}

    def environment(self) -> dict[str, str]:
        """The settings with which the product finds this machine."""
        values = {
            "DATABASE_URL": self.dsn,
            "REDIS_URL": self.redis_url,
            "S3_ENDPOINT": self.s3_endpoint,
            "SQS_ENDPOINT": self.s3_endpoint,
            "BUCKET": self.bucket,
            "QUEUE_URL": self.queue_url,
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        }
        return {f"INVENTORY_MATCH_{name}": value for name, value in values.items()}

    def _start(self) -> None:
        data = self._prepare_directory()
        self._lock = DirectoryLock(data)
        self._warden = warden = Warden(hold=[self._lock.descriptor])
        if self._temporary:
            warden.remove_at_end(data)
        ports = {name: choose_port(port, name=name) for name, port in self._wanted.items()}
        word = password(data / "postgres.password")
        self._postgres = Postgres(data, ports["Postgres"], password=word, durable=not self._temporary)
        self._redis = Redis(data, ports["Redis"], password=password(data / "redis.password"))
        self._objects = Objects(data, ports["S3"], bucket=self.bucket, queue=self._queue, region=self.region)
        self._servers = [self._postgres, self._redis, self._objects]
        self._start_together(warden)

    def _start_together(self, warden: Warden) -> None:
        with ThreadPoolExecutor(len(self._servers)) as pool:
            starts = [pool.submit(server.start, warden) for server in self._servers]
            done, _ = wait(starts, return_when=FIRST_EXCEPTION)
            failed = next((error for error in map(Future.exception, done) if error), None)
            if failed:
                for server in self._servers:  # nobody needs to wait for the others any more
                    server.stop()
                raise failed

    def _prepare_directory(self) -> Path:
        if self._data is None:
            self._data = Path(tempfile.mkdtemp(prefix="inventory-match-"))
        data = self._data = self._data.expanduser().absolute()
        try:
            data.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"{data}: {error.strerror}; give another --data") from error
        return data
