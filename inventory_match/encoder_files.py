"""Encoder files by their sha256: one in the bucket for every host, a copy in a folder of this one, the network in memory.

Which encoder is asked for is the database's affair: here its row becomes something that embeds. The file the settings name,
or the shipped one, is taken where it is the one asked for; any other comes from the bucket, once, and is believed only after
its sha256 was compared.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from inventory_match.db import catalog
from inventory_match.domain.errors import ConfigurationError, PhotoRejected, PhotoSuperseded
from inventory_match.domain.photos import ObjectRef
from inventory_match.intake import ENCODERS_PREFIX
from inventory_match.vision.weights import EncoderRecord, read_file, read_record

if TYPE_CHECKING:
    from inventory_match.db.catalog import Encoder
    from inventory_match.db.engine import UnitOfWork
    from inventory_match.s3.store import S3Store
    from inventory_match.vision.encoder import FileEncoder

IN_MEMORY = 2
"""Networks held at once: around a switch photos seen by either may still come, and a build runs beside the active one."""


class EncoderFiles:
    """Opens the encoder of a row, and keeps the files of those that are to have one.

    `configured` reads the record of the file the settings name; `make` builds the network that runs a file. Raises
    ConfigurationError where a file cannot be had or is not what it should be, ServiceUnavailable where S3 does not answer.
    """

    def __init__(
        self,
        store: S3Store,
        bucket: str,
        folder: Path,
        configured: Callable[[], EncoderRecord],
        make: Callable[[EncoderRecord], FileEncoder],
    ) -> None:
        self._store, self._bucket, self._folder = store, bucket, folder
        self._configured, self.make = configured, make
        self._lock = threading.Lock()
        self._loaded: OrderedDict[str, FileEncoder] = OrderedDict()

    def encoder(self, row: Encoder) -> FileEncoder:
        """What embeds as the row says; the least lately used one makes room for it.

        One that has not read its file yet is not relied on: that file may be replaced before it does.
        """
        with self._lock:
            held = self._loaded.get(row.sha256)
            if held is None or not held.loaded:
                self._loaded[row.sha256] = self.make(self.record(row))
            self._loaded.move_to_end(row.sha256)
            while len(self._loaded) > IN_MEMORY:
                self._loaded.popitem(last=False)
            return self._loaded[row.sha256]

    def record(self, row: Encoder) -> EncoderRecord:
        """The record of a file of this host whose content is the row's."""
        try:
            configured = self._configured()
        except ConfigurationError:
            if row.key is None:  # the configured file was the only way to it
                raise
        else:
            if configured.path is not None and configured.sha256 == row.sha256:
                with suppress(ConfigurationError):  # replaced since this process looked: the bucket has the one meant
                    return read_record(configured.path, row.sha256)
        path = self._folder / f"{row.sha256}.safetensors"
        with suppress(ConfigurationError):  # not there yet, or damaged
            return read_record(path, row.sha256)
        self._download(row, path)
        return read_record(path, row.sha256)

    def keep(self, record: EncoderRecord) -> tuple[str, str]:
        """Puts the file into the bucket under the name of its content; returns bucket and key.

        Raises ConfigurationError where the file is another one than when its record was read.
        """
        key = f"{ENCODERS_PREFIX}{record.sha256}.safetensors"
        self._store.put(self._bucket, key, read_file(record), "application/octet-stream", if_absent=True)
        return self._bucket, key

    def keep_active(self, unit_of_work: UnitOfWork) -> None:
        """Keeps the file of the active encoder if only this host's settings know it, so that every host can have it."""
        with unit_of_work() as session:
            row = catalog.active_encoder(session) if catalog.has_active_encoder(session) else None
        if row is None or row.key is not None or self._configured().sha256 != row.sha256:
            return
        bucket, key = self.keep(self._configured())
        with unit_of_work() as session:
            catalog.set_file(session, row, bucket, key)

    def _download(self, row: Encoder, path: Path) -> None:
        if row.bucket is None or row.key is None:
            raise ConfigurationError(
                f"the encoder {row.name} (sha256 {row.sha256[:12]}…) is wanted, and its file is not in the bucket; set"
                " INVENTORY_MATCH_ENCODER_FILE to it, or run `inventory-match encoders build FILE` with it"
            )
        where = f"s3://{row.bucket}/{row.key}"
        try:
            data = self._store.fetch(ObjectRef(row.bucket, row.key, None, ""))
        except (PhotoSuperseded, PhotoRejected) as error:
            cure = "`inventory-match encoders build FILE` puts it there again"
            raise ConfigurationError(f"the file of the encoder {row.name} cannot be had: {error}; {cure}") from error
        _write(path, data)
        try:
            read_record(path, row.sha256)
        except ConfigurationError as error:
            path.unlink()
            cure = "delete it, and run `inventory-match encoders build FILE` with the right one"
            raise ConfigurationError(f"{where} is not the file of the encoder {row.name}: {error}; {cure}") from error


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all: processes of this host may want the same file at the same time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(data)
        Path(file.name).replace(path)
    except OSError as error:
        cure = "set INVENTORY_MATCH_ENCODER_CACHE to a folder that can be written"
        raise ConfigurationError(f"{path.parent}: {error.strerror}; {cure}") from error
