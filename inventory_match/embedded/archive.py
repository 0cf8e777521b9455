"""A data directory as one file, and back: a cold copy, because all three servers together have no moment of their own while
they run.

The archive is a plain tar whose last member lists every file with its size and sha256. An archive without it was cut short;
with it every byte is compared, before the restored directory gets its name. Nobody finds half of one.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from inventory_match.domain.errors import Conflict, InvalidInput
from inventory_match.embedded.directory import DirectoryLock
from inventory_match.embedded.postgres import system_account

MANIFEST = "manifest.json"
_CHUNK = 1 << 20
_LEFT_OUT = ("lock", "environment.sh", "beat-schedule")
"""Written anew by each start; so are logs. Redis keeps nothing."""


def backup(data: Path, out: Path) -> int:
    """Writes the directory of a stopped machine into a new file that only its owner may read; returns how many files.

    Raises ConfigurationError while the machine is up, Conflict where it was not stopped cleanly, InvalidInput where `data` is
    none or `out` is there or inside it.
    """
    if not (data / "postgres" / "PG_VERSION").is_file():
        raise InvalidInput(f"{data} is no data directory of `inventory-match up`", cure="name the one given as --data")
    if out.exists():
        raise InvalidInput(f"{out} is there already", cure="name a new file")
    if out.resolve().is_relative_to(data.resolve()):
        raise InvalidInput(f"{out} is inside {data} and would hold a part of itself", cure="name a file elsewhere")
    unfinished = out.with_name(out.name + ".unfinished")
    with _locked(data):
        if (data / "postgres" / "postmaster.pid").exists():
            raise Conflict(
                f"{data} was not stopped cleanly; start `inventory-match up` on it and stop it, then try again"
            )
        try:
            files = _write(data, unfinished)
            unfinished.rename(out)
        finally:
            unfinished.unlink(missing_ok=True)
    return files


def restore(archive: Path, data: Path) -> int:
    """Makes the directory anew from an archive; returns how many files.

    Raises InvalidInput where `data` is there and holds something or cannot be written, or the archive cannot be read, is torn,
    altered, or none of ours.
    """
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise InvalidInput(f"{data} is there and not empty", cure="name a new directory, or move that one away")
    unfinished = data.with_name(data.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True)
        files = _read(archive, unfinished)
        _give_to_postgres(unfinished / "postgres")
        os.sync()
        if data.exists():
            data.rmdir()
        unfinished.rename(data)
    except (tarfile.TarError, EOFError, KeyError, ValueError) as error:
        raise InvalidInput(
            f"{archive} cannot be restored: {error}", cure="take another copy; nothing was written"
        ) from error
    except OSError as error:  # not of the archive: see _Saved
        raise InvalidInput(
            f"{data} cannot be written: {error}", cure="mend that, or name another directory; the archive may be sound"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return files


@contextmanager
def _locked(data: Path) -> Iterator[None]:
    lock = DirectoryLock(data)
    try:
        yield
    finally:
        lock.release()


def _write(data: Path, path: Path) -> int:
    kept: dict[str, list[object]] = {}
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for each in sorted(data.rglob("*")):
                name = each.relative_to(data).as_posix()
                if name in _LEFT_OUT or (each.suffix == ".log" and each.parent == data):
                    continue
                if each.is_file():
                    with each.open("rb") as source:
                        kept[name] = [each.stat().st_size, hashlib.file_digest(source, "sha256").hexdigest()]
                tar.add(each, name, recursive=False)
            listed = json.dumps(kept).encode()
            last = tarfile.TarInfo(MANIFEST)
            last.size = len(listed)
            tar.addfile(last, io.BytesIO(listed))
        file.flush()
        os.fsync(file.fileno())
    return len(kept)


def _read(archive: Path, into: Path) -> int:
    found: dict[str, list[object]] = {}
    listed: dict[str, list[object]] | None = None
    with _opened(archive) as saved, tarfile.open(fileobj=saved, mode="r:") as tar:
        for member in tar:
            name = PurePosixPath(member.name)
            if name.is_absolute() or ".." in name.parts or not (member.isfile() or member.isdir()):
                raise ValueError(f"{member.name!r} is not what a data directory holds")
            if member.isdir():
                (into / name).mkdir(mode=member.mode & 0o777, parents=True, exist_ok=True)
                continue
            content = tar.extractfile(member)
            if content is None or member.name in found:
                raise ValueError(f"{member.name!r} has no content, or is there twice")
            if member.name == MANIFEST:
                listed = json.load(content)
            else:
                found[member.name] = _extract(content, into / name, member.mode & 0o777)
    if listed is None:
        raise ValueError("it was cut short: its last member, the list of its files, is missing")
    if found != listed:
        differ = sorted(name for name in {*found, *listed} if found.get(name) != listed.get(name))
        raise ValueError(f"{len(differ)} files are not what was saved, {differ[0]} among them")
    return len(found)


class _Saved(io.FileIO):
    """A file whose errors name themselves as such: those of the directory it is read into have another cure."""

    def readinto(self, buffer: Any) -> int | None:
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise tarfile.ReadError(str(error)) from error


def _opened(archive: Path) -> IO[bytes]:
    try:
        return io.BufferedReader(_Saved(archive))
    except OSError as error:
        raise tarfile.ReadError(str(error)) from error


def _extract(content: IO[bytes], path: Path, mode: int) -> list[object]:
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        while chunk := content.read(_CHUNK):
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
    return [size, digest.hexdigest()]


def _give_to_postgres(cluster: Path) -> None:
    """As root Postgres runs as a user of its own, whose number may be another on this machine."""
    if account := system_account():
        for each in (cluster, *cluster.rglob("*")):
            os.chown(each, account.uid, account.gid)
