"""The data directory: one owner at a time, and the passwords kept in it.

The lock is an flock, so it never outlives its holder. The holder is the process that started the machine and its
warden: after a `kill -9` the directory is free only when the warden has stopped the old servers, never while they
still write.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from inventory_match.domain.errors import ConfigurationError

_SECONDS_FOR_THE_OLD_SERVERS = 30.0


class DirectoryLock:
    """Exclusive use of `directory`. Raises ConfigurationError when another process has it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        path = directory / "lock"
        try:
            self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigurationError(f"{path}: {error.strerror}; start as its owner or give another --data") from error
        try:
            self._acquire()
        except BaseException:
            os.close(self.descriptor)
            raise

    def release(self) -> None:
        os.close(self.descriptor)

    def _acquire(self) -> None:
        attempts = Retrying(
            retry=retry_if_exception_type(BlockingIOError),
            stop=stop_after_delay(_SECONDS_FOR_THE_OLD_SERVERS),
            wait=wait_fixed(0.05),
        )
        try:
            attempts(self._try)
        except RetryError as error:
            raise ConfigurationError(f"{self._directory} is in use by servers that do not stop") from error
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, str(os.getpid()).encode(), 0)

    def _try(self) -> None:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self.descriptor, 20, 0).decode()
            if holder and _lives(int(holder)):
                raise ConfigurationError(
                    f"{self._directory} is in use by process {holder}; stop it or give another --data"
                ) from None
            # Its holder is dead and the warden is still stopping the servers, or it has not yet written its number.
            raise


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def password(path: Path) -> str:
    """The password kept in `path`, made on first use; only the owner may read the file."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(24))
            file.flush()
            os.fsync(file.fileno())
    try:
        word = path.read_text(encoding="ascii")
    except PermissionError as error:
        raise ConfigurationError(
            f"{path} belongs to another user; start as that user or give another --data"
        ) from error
    if not word:
        raise ConfigurationError(f"{path} is empty; put the password back or give another --data")
    return word
