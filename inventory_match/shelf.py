"""From the answers of one photo to the ledger: facings per product, what each count does to its level, who owns a region.

The pure rules are `domain.counting`, `domain.ledger` and, for several cameras at one location, `domain.fusion`; here they meet
the rows, under the lock of the location.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from inventory_match import alerting
from inventory_match.db import facings, ledger, photos, places, watch
from inventory_match.db.ledger import Counted
from inventory_match.domain.counting import Answer, Facings, RegionSeen, count, reassign
from inventory_match.domain.fusion import fuse, homeless_to_judge
from inventory_match.domain.ledger import Effect, Kind, Level, Observed, apply_count, unseen_since

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from inventory_match.db.photos import Claimed
    from inventory_match.db.sightings import Sighted


@dataclass(frozen=True, slots=True)
class Moment:
    """The photo being settled: when it was taken, which encoder looked, and the present time."""

    photo: Claimed
    at: datetime
    encoder: str
    encoder_sha256: str
    now: datetime


def count_photo(session: Session, moment: Moment, sighted: Sequence[Sighted]) -> dict[str, Effect | None]:
    """Counts a shelf photo into the ledger and judges what it moved; returns what each product's count did.

    None stands for a product that could not be assessed, because one of its own regions was hidden.
    """
    photo = moment.photo
    if all(one.answer is Answer.NOT_ASSESSABLE for one in sighted):
        return {}
    ledger.lock_location(session, photo.store, photo.location)
    levels = ledger.levels(session, photo.store, photo.location)
    belongs = _belongs(session, photo)
    believed = ledger.believed(session, photo.store, photo.location)
    newest = photos.newest_assessed(session, photo.camera)
    look = _look(session, moment, sighted, belongs, believed)
    policies = watch.policies(session, photo.store, [one.sku for one in look.counts])
    effects: dict[str, Effect | None] = {}
    for one in look.counts:
        rules = policies[one.sku]
        level = levels.get(one.sku, Level())
        if one.sku not in believed and one.sku not in look.owners:
            # No photo since looked for it, so its own row does not say how old the news may be.
            level = unseen_since(level, newest)
        if one.facings is None or (one.facings == 0 and level.units is None):
            effects[one.sku] = None
            continue
        observed = Observed(one.facings, int(rules.get("depth", 1)), look.at.get(one.sku, moment.at))
        effects[one.sku] = _count(session, moment, one.sku, observed, level, int(rules.get("confirmations", 1)))
    moved = reassign(_regions(sighted), belongs, effects)
    ledger.save_owners(session, photo.camera, moved, moment.at)
    settled = [sku for sku, effect in effects.items() if effect in (Effect.MOVED, Effect.KEPT)]
    evidence = {sku: _evidence(moment, sku, sighted) for sku in settled}
    alerting.judge_products(session, photo.store, settled, moment.now, evidence)
    return effects


@dataclass(frozen=True, slots=True)
class _Look:
    """Facings per product a photo says something of, the products that own a region, and, where another camera's view had
    its part in a count, how new that count is."""

    counts: list[Facings]
    owners: Collection[str]
    at: Mapping[str, datetime]


def _look(
    session: Session,
    moment: Moment,
    sighted: Sequence[Sighted],
    belongs: Mapping[int, str],
    believed: Mapping[str, ledger.Believed],
) -> _Look:
    """The photo by itself, or, where other cameras watch the location too, the location as it was last seen by all."""
    photo, known = moment.photo, {sku: one.facings for sku, one in believed.items()}
    others = facings.other_views(session, photo, moment.at)
    if not others:
        return _Look(count(_regions(sighted), belongs, known), belongs.values(), {})
    fused = fuse(facings.rows(photo, sighted, moment.at, belongs), others)
    owners = set(fused.belongs.values())
    counted_by = {sku: one.camera for sku, one in believed.items()}
    judged = set(fused.about) | homeless_to_judge(counted_by, owners, photo.camera)
    counts = [one for one in count(fused.seen, fused.belongs, known) if one.sku in judged]
    return _Look(counts, owners, fused.about)


def _regions(sighted: Sequence[Sighted]) -> list[RegionSeen]:
    return [RegionSeen(one.position, one.answer, one.sku) for one in sighted]


def _belongs(session: Session, photo: Claimed) -> dict[int, str]:
    """The owners of what the photo was asked about: fixed regions, or the places that the camera still remembers."""
    owners = ledger.owners(session, photo.camera)
    if photo.places is None:
        return owners
    return {one.position: owners[one.position] for one in places.load(session, photo.camera) if one.sku is not None}


def receive_photo(session: Session, moment: Moment, sighted: Sequence[Sighted]) -> None:
    """A dock camera told to record arrivals: one unit of every product it identified, once per photo."""
    photo = moment.photo
    received = sorted({one.sku for one in sighted if one.sku is not None})
    for sku in received:
        ledger.record_movement(
            session, photo.store, sku, Kind.RECEIVED, 1, location=photo.location, at=moment.at,
            key=f"photo:{photo.id}:{sku}", note=f"seen by camera {photo.camera}",
        )  # fmt: skip
    evidence = {sku: _evidence(moment, sku, sighted) for sku in received}
    alerting.judge_products(session, photo.store, received, moment.now, evidence)


def _count(
    session: Session, moment: Moment, sku: str, observed: Observed, level: Level, confirmations: int
) -> Effect | None:
    """Writes one count; None where this photo's count is already in the ledger."""
    photo = moment.photo
    after, effect = apply_count(level, observed, confirmations)
    counted = Counted(
        key=f"photo:{photo.id}:{sku}",
        kind=Kind.COUNTED_CAMERA,
        store=photo.store,
        location=photo.location,
        sku=sku,
        observed=observed,
        actor=f"camera {photo.camera}",
        photo_id=photo.id,
        camera=photo.camera,
    )
    return effect if ledger.append_count(session, counted, effect, after) else None


def _evidence(moment: Moment, sku: str, sighted: Sequence[Sighted]) -> dict[str, Any]:
    """What an alert shows for its claim: the photo, and every region of it that spoke for or about the product."""
    photo = moment.photo
    boxes = [
        {
            "position": one.position,
            "box": [one.box.x0, one.box.y0, one.box.x1, one.box.y1],
            "answer": one.answer,
            "similarity": round(one.decision.similarity, 4) if one.decision and one.decision.similarity else None,
        }
        for one in sighted
        if one.sku == sku or one.answer == "void"
    ]
    return {
        "photo": {"id": photo.id, "bucket": photo.ref.bucket, "key": photo.ref.key, "version": photo.ref.version},
        "captured_at": moment.at.isoformat(),
        "camera": photo.camera,
        "location": photo.location,
        "sightings": boxes,
        "encoder": {"name": moment.encoder, "sha256": moment.encoder_sha256},
    }
