"""Letting go of what is old: photos and the vectors of their crops, because people may be on them; rows, because tables grow.

The object goes first, its row later and only when the object is gone: a scan of the bucket would take a photo whose row is
missing for a new one. What waits stays (photos, questions to people, deliveries), and so does what the present rests on: the
photos behind today's levels, and the newest assessed photo of each camera. The ledger refuses to be touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import TextClause, func, select, text, tuple_, update
from sqlalchemy.orm import Session

from inventory_match.domain.photos import ObjectRef, PhotoState

from .models import Photo, Sighting, Store

REPEATS_DAYS = 15
"""A queue may tell an event again for 14 days; a removal is remembered for longer, whatever the setting."""


def expired(session: Session, keep_days: int | None, limit: int, after: int = 0) -> Sequence[Photo]:
    """Finished or unrouted photos older than their store's own limit, or than `keep_days` where it has none.

    `after`: only those of a greater id, so that one that cannot be let go is passed by.
    """
    return session.scalars(_expired(keep_days).where(Photo.id > after).order_by(Photo.id).limit(limit)).all()


def _expired(keep_days: int | None) -> Any:
    days = func.coalesce(Store.keep_photos_days, keep_days)
    return (
        select(Photo)
        .outerjoin(Store, Store.store == Photo.store)
        .where(
            Photo.expired_at.is_(None),
            Photo.state.not_in([PhotoState.REGISTERED, PhotoState.PROCESSING]),
            Photo.registered_at < func.now() - days * text("interval '1 day'"),
        )
    )


def count_expired(session: Session, keep_days: int | None) -> int:
    return session.scalar(select(func.count()).select_from(_expired(keep_days).subquery())) or 0


def hold(session: Session, photo_id: int, keep_days: int | None) -> Photo | None:
    """The photo, locked until the transaction ends; None where it need not go any more, or somebody else has it.

    Since it was listed, a person may have redriven it, or the same bytes may have been put again.
    """
    still = _expired(keep_days).where(Photo.id == photo_id)
    return session.scalars(still.with_for_update(of=Photo, key_share=True, skip_locked=True)).one_or_none()


def seen_again(session: Session, refs: Sequence[ObjectRef]) -> None:
    """What a listing shows is there, whatever was noted: it is due again, and its row stays until its picture is gone.

    Where the listing is older than the delete, the next run finds nothing to delete, and notes it once more.
    """
    names = [(ref.bucket, ref.key, ref.version) for ref in refs]
    back = tuple_(Photo.bucket, Photo.key, Photo.version).in_(names) & Photo.expired_at.is_not(None)
    session.execute(update(Photo).where(back).values(expired_at=None))


def forget(session: Session, photo_id: int) -> None:
    """Marks a photo expired and drops the vectors of its crops; what was counted stays."""
    session.execute(update(Photo).where(Photo.id == photo_id).values(expired_at=func.now()))
    nothing: dict[str, Any] = {"embedding": None}
    session.execute(update(Sighting).where(Sighting.photo_id == photo_id).values(nothing))


@dataclass(frozen=True, slots=True)
class Old:
    """One kind of rows: those older than `:days`, named by `ids` in their order and up to `:limit` after `:after`, and what
    lets go of `:ids`."""

    what: str
    ids: TextClause
    let_go: tuple[TextClause, ...]
    first: int | str = 0

    def batch(self, session: Session, days: int, after: int | str, limit: int) -> list[Any]:
        return list(session.scalars(self.ids, {"days": days, "after": after, "limit": limit}))

    def go(self, session: Session, ids: Sequence[Any]) -> None:
        for statement in self.let_go:
            session.execute(statement, {"ids": list(ids)})


VECTORS = Old(
    "photos whose crops' vectors go",
    # A question to a person needs its vector: look-alikes are found by it.
    text("""
        select p.id from inventory_match.photo p
        where p.id > :after and p.state not in ('registered', 'processing')
          and p.registered_at < now() - :days * interval '1 day'
          and exists (select from inventory_match.sighting g where g.photo_id = p.id and g.embedding is not null)
          and p.id not in (select photo_id from inventory_match.review_queue)
        order by p.id limit :limit"""),
    (
        text(
            "update inventory_match.sighting set embedding = null where photo_id = any(:ids) and embedding is not null"
        ),
    ),
)
ROWS = Old(
    "photos whose rows go, with all that was seen on them",
    text("""
        select p.id from inventory_match.photo p
        where p.id > :after and p.expired_at is not null and p.state not in ('registered', 'processing')
          and p.registered_at < now() - :days * interval '1 day'
          and (p.camera is null or exists (
              select from inventory_match.photo later
              where later.camera = p.camera and later.captured_at > p.captured_at and later.state in ('done', 'empty')))
          and not exists (
              select from inventory_match.stock_event e join inventory_match.stock_level l on l.event_id = e.id
              where e.photo_id = p.id)
        order by p.id limit :limit"""),
    (text("delete from inventory_match.photo where id = any(:ids) and expired_at is not null"),),
)
MESSAGES = Old(
    "webhook messages that nobody waits for",
    text("""
        select m.id from inventory_match.message m
        where m.id > :after and m.created_at < now() - :days * interval '1 day'
          and not (m.held and m.digest_id is null)
          and not exists (
              select from inventory_match.delivery d where d.message_id = m.id and d.state = 'pending')
          and not exists (select from inventory_match.message told where told.digest_id = m.id)
        order by m.id limit :limit"""),
    (
        text("delete from inventory_match.delivery where message_id = any(:ids) and state <> 'pending'"),
        # One that is just being sent again keeps its delivery, and stays.
        text("""
            delete from inventory_match.message m where m.id = any(:ids)
              and not exists (select from inventory_match.delivery d where d.message_id = m.id)"""),
    ),
    first="",
)
REJECTED = Old(
    "queue messages that could not be read",
    text("""
        select id from inventory_match.rejected_message
        where id > :after and received_at < now() - :days * interval '1 day' order by id limit :limit"""),
    (text("delete from inventory_match.rejected_message where id = any(:ids)"),),
)
REMOVALS = Old(
    "deletes that S3 told of",
    text("""
        select id from inventory_match.object_removal
        where id > :after and recorded_at < now() - greatest(:days, :repeats) * interval '1 day'
        order by id limit :limit""").bindparams(repeats=REPEATS_DAYS),
    (text("delete from inventory_match.object_removal where id = any(:ids)"),),
)
