"""OPEN FIRST. The whole product on one page: a photo is seen, then settled.

    see      fetch ─► decode ─► detect ─► embed ─► look closer               slow, no transaction, nothing written
    settle   sightings ─► nearest in SQL ─► decide ─► ledger ─► reorder, outbox    one short transaction

Before it, `intake` registers the photo; after it, `delivery` posts what stands in the outbox. `process` ties both halves
together for a worker: it claims the photo, and puts it to rest whatever happens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import structlog

from inventory_match import beforehand, camera_view, closer_look, measures, placing, ports, shelf
from inventory_match.db import catalog, facings, photos, sightings
from inventory_match.db.sightings import Sighted
from inventory_match.domain.counting import Answer
from inventory_match.domain.errors import Permanent, PhotoRejected, PhotoSuperseded, Transient
from inventory_match.domain.ledger import Kind
from inventory_match.domain.matching import Evidence, Outcome, Thresholds, decide, from_afar
from inventory_match.domain.photos import Captured, PhotoState, captured_at
from inventory_match.domain.views import ViewLimits
from inventory_match.siblings import by_siblings
from inventory_match.stages import of_photo, stage

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from inventory_match.db.camera_views import View
    from inventory_match.db.catalog import Encoder
    from inventory_match.db.engine import UnitOfWork
    from inventory_match.db.photos import Claimed
    from inventory_match.domain.matching import Prior
    from inventory_match.domain.printed import Printed

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Eyes:
    """What seeing needs of the world. Without `prints` and `far_views` nobody takes a closer look at what the first one left
    open."""

    store: ports.PhotoStore
    decode: ports.Decoder
    detect: ports.Detector
    encoder: ports.Encoder
    crop: ports.Cropper
    prints: ports.Prints | None = None
    far_views: ports.FarViews | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """How settling decides. `search_exactly_below`: see `db.catalog.nearest`; `expected_margins`: so many margins weighs in
    a tie that a product is expected on the shelf."""

    thresholds: Thresholds
    candidates: int
    search_exactly_below: int
    views: ViewLimits = field(default_factory=ViewLimits)
    expected_margins: float = 1.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long a photo is tried: lease of one attempt, and the wait after the first transient failure."""

    attempts: int
    lease: timedelta
    retry_wait: timedelta


@dataclass(frozen=True, slots=True)
class Seen:
    """A photo that was looked at: its regions, and one embedding per candidate region, shape (candidates, dim).

    `view`: the whole photo, where a shelf camera took it. `printed` and `far`: what print says of each region, and which
    products it resembles from afar, where that was asked.
    """

    photo: Claimed
    captured: Captured
    decoded: ports.Decoded
    regions: list[ports.Region]
    embeddings: ports.Embeddings
    encoder_sha256: str
    view: View | None = None
    printed: Sequence[Printed | None] = ()
    far: Sequence[Mapping[str, float] | None] = ()


def process(
    photo_id: int, eyes: Eyes, rules: Rules, patience: Patience, unit_of_work: UnitOfWork, now: datetime
) -> PhotoState | None:
    """Takes one photo to its rest; None where there was nothing to take or another worker has it.

    Transient errors give it back for another try, Permanent ones rest it, anything else is a fault of ours: it is given
    back like a transient one and raised, so that it is logged and the attempts bound it.
    """
    with unit_of_work() as session:
        photo = photos.claim(session, photo_id, patience.lease, patience.attempts)
    if photo is None:
        return None
    with of_photo(photo.id, photo.attempt):
        state = _take(photo, eyes, rules, patience, unit_of_work, now)
        if state not in (None, PhotoState.REGISTERED):
            measures.photo_rested(photo.attempt)
        _log.info("photo left", state=state or "to another worker", key=photo.ref.key, camera=photo.camera)
        return state


def _take(
    photo: Claimed, eyes: Eyes, rules: Rules, patience: Patience, unit_of_work: UnitOfWork, now: datetime
) -> PhotoState | None:
    try:
        seen = see(photo, eyes)
        if eyes.prints is not None and eyes.far_views is not None and photo.places is not None:
            with stage("verify"):
                seen = _closer(seen, eyes.prints, eyes.far_views, eyes, rules, unit_of_work)
        with stage("settle"), unit_of_work() as session:
            return settle(session, seen, rules, now)
    except PhotoRejected as error:
        return _rest(unit_of_work, photo, PhotoState.REJECTED, error)
    except PhotoSuperseded as error:
        return _rest(unit_of_work, photo, PhotoState.SUPERSEDED, error)
    except Transient as error:
        return _give_back(unit_of_work, photo, error, patience)
    except Exception as error:
        _give_back(unit_of_work, photo, error, patience)
        raise


def see(photo: Claimed, eyes: Eyes) -> Seen:
    """Everything slow. All crops of the photo go through the encoder in one call."""
    with stage("fetch"):
        data = eyes.store.fetch(photo.ref)
    with stage("decode"):
        decoded = eyes.decode(data)
    with stage("detect"):
        regions = eyes.detect(decoded.image, photo.regions, photo.places)
    with stage("embed"):
        crops = [eyes.crop(decoded.image, region.box) for region in regions if region.answer == "candidate"]
        whole = [decoded.image] if photo.kind == "shelf" else []
        embeddings = eyes.encoder.embed([*crops, *whole])
        view = camera_view.view(decoded.image, embeddings[-1]) if whole else None
    measures.crops_embedded(len(crops))
    return Seen(photo, _when(photo, decoded), decoded, regions, embeddings[: len(crops)], eyes.encoder.sha256, view)


def _closer(
    seen: Seen, prints: ports.Prints, far: ports.FarViews, eyes: Eyes, rules: Rules, unit_of_work: UnitOfWork
) -> Seen:
    """What the first look left open, looked at again for the prints of known packs, and for how they look from afar."""
    searched = rules.thresholds, rules.candidates, rules.search_exactly_below
    glass = closer_look.Glass(prints, far, eyes.encoder, eyes.crop, unit_of_work, *searched)
    first = closer_look.Looked(seen.regions, seen.embeddings)
    looked = closer_look.look_closer(first, seen.decoded.image, seen.photo.store, glass)
    return replace(seen, regions=looked.regions, embeddings=looked.embeddings, printed=looked.printed, far=looked.far)


def settle(session: Session, seen: Seen, rules: Rules, now: datetime) -> PhotoState | None:
    """Everything that is written, in one transaction; None where the lease was lost meanwhile."""
    photo = seen.photo
    if not photos.hold(session, photo):
        return None
    encoder = catalog.encoder_that_saw(session, seen.encoder_sha256)
    known = beforehand.of_photo(session, photo, seen.captured.at)
    prior = known.prior(rules.thresholds, rules.expected_margins)
    sighted = placing.place(session, photo, seen.regions, _identify(session, seen, encoder, rules, prior))
    if moved := camera_view.strange(session, photo, encoder, seen.view, sighted, rules.views):
        sighted = camera_view.hidden(sighted, moved)
    sightings.save(session, photo.id, sighted, encoder.id, rules.thresholds)
    moment = shelf.Moment(photo, seen.captured.at, encoder.name, encoder.sha256, now)
    if photo.kind == "shelf" and not moved:
        facings.save(session, photo, sighted, moment.at)
        effects = shelf.count_photo(session, moment, sighted)
        placing.keep(session, photo, moment.at, sighted, effects)
        beforehand.judge(session, known)
    elif photo.records == Kind.RECEIVED:
        shelf.receive_photo(session, moment, sighted)
    state, cause = (PhotoState.NEEDS_REVIEW, moved) if moved else _rest_of(sighted)
    camera_view.remember(session, photo, encoder, seen.captured.at, seen.view, state)
    height, width = seen.decoded.image.shape[:2]
    kept = photos.figures(seen.captured, seen.decoded.quality, (width, height), encoder.id)
    photos.finish(session, photo, state, cause, **kept)
    return state


def _identify(session: Session, seen: Seen, encoder: Encoder, rules: Rules, prior: Prior | None) -> list[Sighted]:
    """An answer for every region: the detector's own, or the catalog's, asked once for all crops of the photo.

    Where the regions were found, not fixed, what is left open is asked once more of the facings beside it.
    """
    found = catalog.nearest(
        session, encoder, seen.embeddings, rules.candidates, seen.photo.store, rules.search_exactly_below
    )
    asked = iter(zip(seen.embeddings, found, strict=True))
    sighted = []
    for region, printed, far in zip_longest(seen.regions, seen.printed, seen.far):
        if region.answer != "candidate":
            sighted.append(Sighted(region.position, region.box, Answer(region.answer), region.reason or region.answer))
            continue
        embedding, candidates = next(asked)
        candidates = candidates if far is None else from_afar(candidates, far)
        decision = decide(Evidence(candidates, prior, printed), rules.thresholds)
        answer = Answer.PRODUCT if decision.outcome is Outcome.MATCHED else Answer.UNKNOWN
        sighted.append(
            Sighted(region.position, region.box, answer, decision.rule, decision, candidates, prior, embedding, printed)
        )
    alike = seen.photo.places is not None and encoder.metric == "cosine"
    return by_siblings(sighted, rules.thresholds) if alike else sighted


def _rest_of(sighted: list[Sighted]) -> tuple[PhotoState, str | None]:
    """Where the photo rests: nothing could be assessed, nothing was there, or done."""
    answers = {one.answer for one in sighted}
    if answers == {Answer.NOT_ASSESSABLE}:
        return PhotoState.NEEDS_REVIEW, f"no region could be assessed: {sighted[0].rule}"
    if answers <= {Answer.VOID}:
        return PhotoState.EMPTY, "no product on it"
    return PhotoState.DONE, None


def _when(photo: Claimed, decoded: ports.Decoded) -> Captured:
    """The time of the photo; EXIF is asked only where the key told nothing. A naive EXIF time is the store's local time."""
    if photo.captured.source == "key" or photo.captured.clock_ahead or decoded.taken_at is None:
        return photo.captured
    taken = decoded.taken_at
    local = taken if taken.tzinfo else taken.replace(tzinfo=ZoneInfo(photo.timezone))
    return captured_at(photo.event_time, from_key=None, from_exif=local)


def _rest(unit_of_work: UnitOfWork, photo: Claimed, state: PhotoState, error: Permanent) -> PhotoState | None:
    with unit_of_work() as session:
        return state if photos.finish(session, photo, state, str(error)) else None


def _give_back(unit_of_work: UnitOfWork, photo: Claimed, error: Exception, patience: Patience) -> PhotoState | None:
    wait = patience.retry_wait * 2 ** (photo.attempt - 1)
    with unit_of_work() as session:
        held = photos.give_back(session, photo, f"{type(error).__name__}: {error}", wait)
    return PhotoState.REGISTERED if held else None
