"""Enrols a catalog: from the rows of a file to products, reference photos in the bucket, and their vectors in SQL.

    look     bytes ─► decode ─► cut out ─► embed ─► bucket, content-addressed    slow, no transaction
    write    products ─► references ─► vectors by binary COPY                    one short transaction at the end

So an import that is broken off never happened, but for objects in the bucket that the next one finds under the names their
content gives them. Nothing is embedded twice: a reference is known by the hash of its bytes and its box. A vector is made
of the picture as it is kept, so that it can be made again, by another encoder too. Until the end 2 bytes a dimension are
held in memory for each new reference: 50 MB for 100,000 of 256 dimensions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy.orm import Session

from inventory_match import ports
from inventory_match.catalog_file import CatalogFile, CatalogRow, PixelBox, merged_facts
from inventory_match.db import catalog
from inventory_match.db.catalog import builds
from inventory_match.domain import gtin
from inventory_match.domain.errors import ConfigurationError, InvalidInput, PhotoRejected, PhotoSuperseded
from inventory_match.domain.photos import Box, ObjectRef
from inventory_match.intake import CATALOG_PREFIX

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inventory_match.db.catalog.encoders import EncoderRecord
    from inventory_match.db.engine import UnitOfWork
    from inventory_match.domain.matching import Thresholds
    from inventory_match.s3.store import S3Store

BATCH = 32
BATCH_BYTES = 256 * 2**20
"""What is embedded at once: so many pictures, or fewer large ones."""
_KINDS = ((b"\x89PNG", "png", "image/png"), (b"RIFF", "webp", "image/webp"), (b"", "jpg", "image/jpeg"))


@dataclass(frozen=True, slots=True)
class Studio:
    """What enrolling needs of the world. `decode` should know no quality limits: a packshot may be as plain as it likes."""

    store: S3Store
    bucket: str
    decode: ports.Decoder
    crop: ports.Cropper
    encode_jpeg: Callable[[ports.Image], bytes]
    encoder: ports.Encoder
    record: EncoderRecord
    thresholds: Thresholds


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: `references` are new ones, `unchanged` those that were known; `written` False: it did nothing."""

    products: int
    new_products: int
    references: int
    unchanged: int
    bad: list[InvalidInput]
    written: bool = True


@dataclass(frozen=True, slots=True)
class _Picture:
    """A reference as it will be kept, and its pixels."""

    row: CatalogRow
    content_hash: str
    kept: bytes
    image: ports.Image


@dataclass(frozen=True, slots=True)
class _Embedded:
    reference: catalog.Reference
    vector: NDArray[np.float16]


def import_catalog(
    studio: Studio,
    unit_of_work: UnitOfWork,
    file: CatalogFile,
    *,
    strict: bool = False,
    index_above: int = 20_000,
    index_method: catalog.Method = "hnsw",
    progress: Callable[[], None] = lambda: None,
) -> Imported:
    """Takes in every good row; with `strict` all of them or none. `progress` is called once a row, twice with `strict`.

    Raises ConfigurationError where the active encoder is another one, Conflict where it is by the end, ServiceUnavailable
    where S3 or Postgres fails: then nothing was taken in. Other encoders that are kept get their vectors from `reembed`.
    """
    with unit_of_work() as session:
        encoder = catalog.register_encoder(session, studio.record, studio.thresholds)
        waits = catalog.references_to_embed(session, encoder.id)
        # What another encoder found gone from the bucket is put there again.
        known = {reference for reference, missing in waits.items() if not missing} - builds.failed(session)
        owners = catalog.gtin_owners(session)
    bad = list(file.bad)
    rows = list(_with_own_gtin(file, owners, bad))
    if strict:
        for _ in _pictures(studio, file, rows, known, bad, progress):
            pass
        if bad:
            return Imported(0, 0, 0, 0, _in_order(bad), written=False)
    embedded = list(_embed(studio, _pictures(studio, file, rows, known, bad, progress)))
    good = {row.line for row in rows} - {error.line for error in bad}
    taken = [row for row in rows if row.line in good]
    with unit_of_work() as session:
        new_products = _write(session, encoder, taken, embedded)
    catalog.ensure_index(unit_of_work.engine, encoder, index_above, index_method)
    products = len({row.sku for row in taken})
    return Imported(products, new_products, len(embedded), len(taken) - len(embedded), _in_order(bad))


def read_image(studio: Studio, file: CatalogFile, row: CatalogRow) -> bytes:
    """The bytes a row names, relative to its file or in S3. Raises InvalidInput where they are not there."""
    if row.image.startswith("s3://"):
        bucket, _, key = row.image.removeprefix("s3://").partition("/")
        try:
            return studio.store.fetch(ObjectRef(bucket, key, None, ""))
        except (PhotoRejected, PhotoSuperseded, ConfigurationError) as error:
            # A bucket that is not there, or not ours to read, spoils the rows that name it and no others.
            raise file.error(row.line, "image", str(error), "correct the key, or upload the picture") from error
    try:
        return (file.path.parent / row.image).read_bytes()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise file.error(row.line, "image", f"{row.image}: {why}", "paths are relative to the CSV") from error


def _with_own_gtin(file: CatalogFile, owners: dict[str, str], bad: list[InvalidInput]) -> Iterator[CatalogRow]:
    """The rows whose gtin does not belong to another product of the database."""
    for row in file.rows:
        owner = owners.get(gtin.padded(row.gtin), row.sku) if row.gtin else row.sku
        if owner == row.sku:
            yield row
        else:
            problem = f"{row.gtin} is the gtin of {owner}, which is in the catalog"
            bad.append(file.error(row.line, "gtin", problem, "one product, one gtin: correct one of the two"))


def _pictures(
    studio: Studio,
    file: CatalogFile,
    rows: Iterable[CatalogRow],
    known: set[tuple[str, str]],
    bad: list[InvalidInput],
    progress: Callable[[], None],
) -> Iterator[_Picture]:
    """The references that still have to be embedded; rows whose picture cannot be used are noted as bad."""
    seen = set(known)
    for row in rows:
        try:
            data = read_image(studio, file, row)
            name = row.sku, _content_hash(data, row.box)
            if name not in seen:
                yield _picture(studio, file, row, data, name[1])
                seen.add(name)
        except InvalidInput as error:
            bad.append(error)
        progress()


def _picture(studio: Studio, file: CatalogFile, row: CatalogRow, data: bytes, content_hash: str) -> _Picture:
    try:
        image = studio.decode(data).image
    except PhotoRejected as error:
        cure = "save it again as JPEG, PNG or WebP"
        raise file.error(row.line, "image", f"{row.image}: {error}", cure) from error
    if row.box is None:
        return _Picture(row, content_hash, data, image)
    height, width = image.shape[:2]
    if row.box.x1 > width or row.box.y1 > height:
        problem = (
            f"the box reaches to {row.box.x1:g} x {row.box.y1:g}, the picture {row.image} is {width} x {height} px"
        )
        raise file.error(row.line, "x1, y1", problem, "boxes are in pixels of the upright picture")
    box = Box(row.box.x0 / width, row.box.y0 / height, row.box.x1 / width, row.box.y1 / height)
    kept = studio.encode_jpeg(studio.crop(image, box))
    return _Picture(row, content_hash, kept, studio.decode(kept).image)


def _content_hash(data: bytes, box: PixelBox | None) -> str:
    digest = hashlib.sha256(data).hexdigest()
    return digest if box is None else f"{digest}#{box.x0:g},{box.y0:g},{box.x1:g},{box.y1:g}"


def _embed(studio: Studio, pictures: Iterable[_Picture]) -> Iterator[_Embedded]:
    for batch in _batches(pictures):
        vectors = studio.encoder.embed([picture.image for picture in batch])
        for picture, vector in zip(batch, vectors, strict=True):
            suffix, content_type = next((end, kind) for start, end, kind in _KINDS if picture.kept.startswith(start))
            key = f"{CATALOG_PREFIX}{hashlib.sha256(picture.kept).hexdigest()}.{suffix}"
            studio.store.put(studio.bucket, key, picture.kept, content_type, if_absent=True)
            row = picture.row
            reference = catalog.Reference(row.sku, picture.content_hash, studio.bucket, key, row.image)
            yield _Embedded(reference, vector.astype(np.float16))


def _batches(pictures: Iterable[_Picture]) -> Iterator[list[_Picture]]:
    batch: list[_Picture] = []
    for picture in pictures:
        batch.append(picture)
        if len(batch) >= BATCH or sum(each.image.nbytes for each in batch) >= BATCH_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def _write(session: Session, encoder: catalog.Encoder, rows: list[CatalogRow], embedded: list[_Embedded]) -> int:
    """All in one transaction; what another import wrote meanwhile is left as it is. Returns how many products are new.

    Raises Conflict where another encoder was activated meanwhile: it would not find these references.
    """
    catalog.lock(session)
    catalog.active_encoder(session, encoder.sha256)
    facts = merged_facts(rows)
    new = catalog.upsert_products(session, [catalog.ProductFacts(sku, **said) for sku, said in facts.items()])
    ids = catalog.add_references(session, [each.reference for each in embedded])
    builds.forget_failures(session, references=ids)
    waiting = catalog.references_to_embed(session, encoder.id)
    catalog.copy_embeddings(
        session,
        encoder.id,
        (
            (reference_id, each.reference.sku, each.vector)
            for reference_id, each in zip(ids, embedded, strict=True)
            if waiting[each.reference.sku, each.reference.content_hash]
        ),
    )
    return new


def _in_order(bad: list[InvalidInput]) -> list[InvalidInput]:
    return sorted(bad, key=lambda error: error.line or 0)
