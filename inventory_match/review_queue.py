"""What to ask people next: where an answer teaches most.

First the closest calls, ambiguous sightings by the smallest margin between the two best candidates (margin sampling, Scheffer
et al. 2001): an answer moves the border exactly where photos fall on both sides of it. Then the unknown, largest group of
look-alikes first: one answer enrols a product that stands on many photos. A group is asked once, by its centre.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from inventory_match.db import review, sightings
from inventory_match.domain.errors import NotFound
from inventory_match.look_alikes import pairwise, stars

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from inventory_match.db.review import Waiting
    from inventory_match.db.sightings import Kept

NEWEST = 2000
"""So many unknown sightings are compared with each other: 16 MB, and about a second."""


@dataclass(frozen=True, slots=True)
class Group:
    """Unknown sightings that look alike: ids, the centre (which names the group) first and then the nearest to it."""

    sightings: list[int]
    stores: list[str]
    first_seen: datetime
    last_seen: datetime

    @property
    def name(self) -> int:
        return self.sightings[0]


@dataclass(frozen=True, slots=True)
class Question:
    """A sighting to answer; `group` where others look like it."""

    kept: Kept
    group: Group | None = None


def questions(session: Session, store: str | None, location: str | None, limit: int) -> list[Question]:
    """Up to `limit` sightings to answer, the most informative first; of one store or location where one is named."""
    close = review.ambiguous(session, store, location, limit)
    found = groups(session, store, location)[: limit - len(close)] if len(close) < limit else []
    kept = sightings.find(session, [*close, *(group.name for group in found)])
    asked: list[Group | None] = [*(None for _ in close), *found]
    return [Question(one, group) for one, group in zip(kept, asked, strict=True)]


def groups(
    session: Session, store: str | None = None, location: str | None = None, least: float | None = None
) -> list[Group]:
    """Unknown look-alikes among the newest `NEWEST`, largest group first.

    Alike are two sightings of similarity `least`, or what their encoder takes for the same product. Only vectors of the same
    encoder are compared.
    """
    waiting = sorted(review.unknown(session, store, location, NEWEST), key=attrgetter("encoder_id"))
    made: list[Group] = []
    for _, of_encoder in groupby(waiting, key=attrgetter("encoder_id")):
        members = list(of_encoder)
        similar = pairwise(np.stack([one.vector for one in members]), members[0].metric)
        found = stars(similar, members[0].accept if least is None else least)
        made += [_group([members[i] for i in star]) for star in found]
    return sorted(made, key=lambda group: (-len(group.sightings), -group.last_seen.timestamp(), group.name))


def group_named(session: Session, name: int, least: float | None = None) -> Group:
    """Those of its group that look like this sighting itself: of a centre, the group as it is shown with that `least`.

    Groups move as photos arrive. Whoever names one means what they saw, and not what later came to stand beside it. Raises
    NotFound where the sighting does not wait for an answer.
    """
    waiting = {one.sighting_id: one for one in review.unknown(session, None, None, NEWEST)}
    for group in groups(session, least=least):
        if name in group.sightings:
            members = [waiting[name], *(waiting[one] for one in group.sightings if one != name)]
            alike = pairwise(np.stack([one.vector for one in members]), members[0].metric)[0]
            enough = members[0].accept if least is None else least
            near = [one for one, similar in zip(members, alike, strict=True) if one is members[0] or similar >= enough]
            return _group(near)
    raise NotFound(f"no group holds sighting {name}; `inventory-match review groups` lists them")


def _group(members: Sequence[Waiting]) -> Group:
    seen: Iterable[datetime] = [one.captured_at for one in members]
    stores = sorted({one.store for one in members if one.store is not None})
    return Group([one.sighting_id for one in members], stores, min(seen), max(seen))
