"""What a camera without fixed regions saw, and the places it remembers: numbers before the count, memory after it.

The pure rules are `domain.places`; here they meet the rows, under the lock of the location, because another photo of the camera
may have been settled since this one was looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from inventory_match.db import ledger, photos, places
from inventory_match.db.sightings import Sighted
from inventory_match.domain.counting import Answer
from inventory_match.domain.places import Look, Place, either_or, number, remember

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from inventory_match.db.photos import Claimed
    from inventory_match.domain.ledger import Effect
    from inventory_match.ports import Region


def place(session: Session, photo: Claimed, regions: Sequence[Region], sighted: Sequence[Sighted]) -> list[Sighted]:
    """The sightings of a photo under the numbers of their places, without those that contradict others.

    `sighted`: one for each region, in their order. A product's place that this photo was not asked about, because it came while
    the photo was being looked at, is not assessable.
    """
    if photo.places is None:
        return list(sighted)
    ledger.lock_location(session, photo.store, photo.location)
    now = places.load(session, photo.camera)
    by_position = {one.position: one for one in sighted}
    looks = [
        Look(one.position, one.box, one.answer, one.sku, region.remembered)
        for region, one in zip(regions, sighted, strict=True)
    ]
    looks = either_or(looks, photo.places)
    given = places.given(session, photo.camera)
    final = number(looks, photo.places, now, given)
    if (last := max((position for position in final if position is not None), default=0)) > given:
        places.give(session, photo.camera, last)
    placed = [
        _under(position, look, by_position[look.position])
        for look, position in zip(looks, final, strict=True)
        if position is not None
    ]
    return placed + _not_asked(now, placed, photo.places)


def keep(
    session: Session, photo: Claimed, at: datetime, sighted: Sequence[Sighted], effects: Mapping[str, Effect | None]
) -> None:
    """Remembers what the camera's newest photo showed, once it is counted; an older one changes no place."""
    newest = photos.newest_assessed(session, photo.camera)
    if photo.places is None or (newest is not None and at < newest):
        return
    looks = [Look(one.position, one.box, one.answer, one.sku) for one in sighted]
    known = places.load(session, photo.camera)
    owners = ledger.owners(session, photo.camera)
    new = {one.position for one in sighted} - {each.position for each in known}
    fresh = [Place(one.position, one.box, owners.get(one.position), at) for one in looks if one.position in new]
    memory = remember(looks, [*known, *fresh], effects, at)
    places.save(session, photo.camera, memory.seen, at)
    places.forget(session, photo.camera, memory.forgotten)


def _under(position: int, look: Look, one: Sighted) -> Sighted:
    if look.answer is one.answer:
        return replace(one, position=position)
    return Sighted(position, one.box, look.answer, "something else stands over this place")


def _not_asked(now: Sequence[Place], placed: Sequence[Sighted], before: Sequence[Place]) -> list[Sighted]:
    asked = {one.position for one in placed} | {each.position for each in before}
    return [
        Sighted(each.position, each.box, Answer.NOT_ASSESSABLE, "not looked at: it came with a photo settled meanwhile")
        for each in now
        if each.sku is not None and each.position not in asked
    ]
