"""Products, their reference photos, and the vectors of these: added, found wanting, listed, retired."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, cast

from pgvector import HalfVector
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from inventory_match.db.models import Product
from inventory_match.domain.errors import NotFound

if TYPE_CHECKING:
    import numpy as np
    import psycopg
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """What a catalog says of a product; None where it says nothing, and then what is known stays."""

    sku: str
    name: str | None = None
    category: str | None = None
    gtin: str | None = None
    description: str | None = None
    brand: str | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference photo as it is kept: `content_hash` tells what it was made of, bucket and key where it is."""

    sku: str
    content_hash: str
    bucket: str
    key: str
    source: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A product in a list, with how many references it has."""

    sku: str
    name: str
    category: str | None
    brand: str | None
    gtin: str | None
    references: int
    retired_at: datetime | None


def lock(session: Session) -> None:
    """Waits for any other import to end, and keeps others waiting until this transaction does."""
    session.execute(text("select pg_advisory_xact_lock(hashtext('inventory_match.catalog'))"))


def upsert_products(session: Session, products: Sequence[ProductFacts]) -> int:
    """Adds new products (named by their sku where no name is given), corrects known ones, brings retired ones back.

    Returns how many are new.
    """
    if not products:
        return 0
    before = session.scalar(text("select count(*) from inventory_match.product")) or 0
    session.execute(
        text(
            "insert into inventory_match.product as p (sku, name, category, brand, gtin, description)"
            " values (:sku, coalesce(:name, :sku), :category, :brand, :gtin, :description)"
            " on conflict (sku) do update set name = coalesce(:name, p.name), retired_at = null,"
            " category = coalesce(excluded.category, p.category),"
            " brand = coalesce(excluded.brand, p.brand), gtin = coalesce(excluded.gtin, p.gtin),"
            " description = coalesce(excluded.description, p.description)"
        ),
        [asdict(product) for product in products],
    )
    return (session.scalar(text("select count(*) from inventory_match.product")) or 0) - before


def gtin_owners(session: Session) -> dict[str, str]:
    """Every GTIN of the catalog, padded to 14 digits, and the sku it belongs to."""
    rows = session.execute(select(Product.gtin, Product.sku).where(Product.gtin.is_not(None)))
    return {str(gtin).zfill(14): sku for gtin, sku in rows}


def references_to_embed(session: Session, encoder_id: int) -> dict[tuple[str, str], bool]:
    """(sku, content hash) of every reference, and whether this encoder still has to embed it."""
    rows = session.execute(
        text(
            "select p.sku, p.content_hash, e.reference_id is null as waits from inventory_match.reference_photo p"
            " left join inventory_match.reference_embedding e on e.reference_id = p.id and e.encoder_id = :encoder"
        ),
        {"encoder": encoder_id},
    )
    return {(row.sku, row.content_hash): row.waits for row in rows}


def add_references(session: Session, references: Sequence[Reference]) -> list[int]:
    """The ids of these references, in their order; known ones keep theirs, and are where they were put last."""
    if not references:
        return []
    session.execute(
        text(
            "insert into inventory_match.reference_photo (sku, content_hash, bucket, key, source)"
            " values (:sku, :content_hash, :bucket, :key, :source)"
            " on conflict (sku, content_hash) do update set bucket = excluded.bucket, key = excluded.key"
        ),
        [asdict(reference) for reference in references],
    )
    # Arrays, not lists of parameters: the protocol carries at most 65,535 of those.
    rows = session.execute(
        text(
            "select p.sku, p.content_hash, p.id from unnest(cast(:skus as text[]), cast(:hashes as text[])) as w (sku, hash)"
            " join inventory_match.reference_photo p on (p.sku, p.content_hash) = (w.sku, w.hash)"
        ),
        {"skus": [one.sku for one in references], "hashes": [one.content_hash for one in references]},
    )
    ids = {(row.sku, row.content_hash): row.id for row in rows}
    return [ids[reference.sku, reference.content_hash] for reference in references]


def copy_embeddings(session: Session, encoder_id: int, rows: Iterable[tuple[int, str, NDArray[np.floating]]]) -> int:
    """Writes (reference id, sku, vector of shape (dim,)) by binary COPY; returns how many. None may be there yet."""
    session.flush()
    driver = cast("psycopg.Connection", session.connection().connection.driver_connection)
    written = 0
    columns = "(encoder_id, reference_id, sku, embedding)"
    with (
        driver.cursor() as cursor,
        cursor.copy(f"copy inventory_match.reference_embedding {columns} from stdin with (format binary)") as copy,
    ):
        copy.set_types(["int8", "int8", "text", "halfvec"])
        for reference_id, sku, vector in rows:
            copy.write_row((encoder_id, reference_id, sku, HalfVector(vector)))
            written += 1
    return written


def retire(session: Session, sku: str, now: datetime) -> bool:
    """Takes a product out of matching and keeps its history; False where it is retired already. A new import brings it back."""
    if session.scalar(select(Product.sku).where(Product.sku == sku)) is None:
        raise NotFound(f"sku {sku!r} is not in the catalog; `inventory-match catalog list` shows what is")
    statement = update(Product).where(Product.sku == sku, Product.retired_at.is_(None)).values(retired_at=now)
    return session.execute(statement.returning(Product.sku)).scalar() is not None


def list_products(session: Session, skus: Collection[str] | None = None) -> list[Listed]:
    """All products in order of sku, or those asked for."""
    rows = session.execute(
        text(
            "select p.sku, p.name, p.category, p.brand, p.gtin, count(f.id) as found, p.retired_at"
            " from inventory_match.product p left join inventory_match.reference_photo f using (sku)"
            " where cast(:skus as text[]) is null or p.sku = any(:skus) group by p.sku order by p.sku"
        ),
        {"skus": None if skus is None else sorted(skus)},
    )
    return [Listed(*row) for row in rows]
