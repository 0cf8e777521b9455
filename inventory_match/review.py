"""What a person answers about a sighting, and how the answer teaches: the crop becomes a reference photo at once.

    look     photo ─► decode ─► crop ─► (embed, where another encoder made the sighting's vector) ─► bucket     slow
    write    product ─► reference ─► vector ─► answer                                one short transaction at the end

So the next photo of the product matches. What was counted stays as it was: the ledger is append-only, answers change what
later photos find and never what an earlier one told. Answers are append-only as well; taking one back is another row, and
withdraws the reference it made. A reference serves the active encoder at once; other encoders get their vectors of it the
way they get those of the catalog.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from inventory_match import reference_crops
from inventory_match.catalog_file import complaint
from inventory_match.db import catalog, review, sightings
from inventory_match.domain import gtin
from inventory_match.domain.counting import Answer
from inventory_match.domain.errors import Conflict, InvalidInput, NotFound
from inventory_match.domain.review import Verdict

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from inventory_match.db.catalog import Encoder, ProductFacts
    from inventory_match.db.engine import UnitOfWork
    from inventory_match.db.sightings import Kept
    from inventory_match.enrol import Studio
    from inventory_match.reference_crops import Crop


@dataclass(frozen=True, slots=True)
class Given:
    """Who answers and why; `force` insists where the references speak against it, `group_of` names a group by its centre."""

    by: str
    reason: str | None = None
    force: bool = False
    group_of: int | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """What an answer did: `known` where the very same one stood already, and then nothing was written."""

    sku: str | None
    sightings: int
    references: int
    known: bool = False


def accept(studio: Studio, unit_of_work: UnitOfWork, sighting_id: int, sku: str | None, given: Given) -> Answered:
    """The first candidate was right, or the one named. Raises as `assign` does, InvalidInput where `sku` is no candidate."""
    with unit_of_work() as session:
        [kept] = sightings.find(session, [sighting_id])
    offered = [candidate.sku for candidate in kept.candidates]
    cure = f"`inventory-match review assign {sighting_id} SKU` gives it any product"
    if not offered:
        raise InvalidInput(f"sighting {sighting_id} has no candidates", cure=cure)
    if sku is not None and sku not in offered:
        raise InvalidInput(f"{sku!r} is none of its candidates {', '.join(offered)}", key="--sku", cure=cure)
    return assign(studio, unit_of_work, [sighting_id], catalog.ProductFacts(sku or offered[0]), given)


def assign(
    studio: Studio,
    unit_of_work: UnitOfWork,
    sighting_ids: Sequence[int],
    product: ProductFacts,
    given: Given,
    *,
    new: bool = False,
) -> Answered:
    """These sightings show this product; with `new` it is enrolled by the same rules as in a catalog import.

    Raises NotFound for an unknown sighting or sku, InvalidInput for facts an import would refuse, Conflict where a sighting
    has another answer, where the crop looks like another product and `given.force` is not set, or where another encoder than
    the studio's was activated; PhotoSuperseded where the photo is gone.
    """
    with unit_of_work() as session:
        asked = _asked(session, sighting_ids)
        if known := _known(session, asked, Verdict.PRODUCT, product.sku):
            return known
        encoder = catalog.active_encoder(session, studio.encoder.sha256)
        _check_product(session, product, new=new)
    crops = reference_crops.cut(studio, encoder, reference_crops.most_telling(asked, encoder))
    if not given.force:
        with unit_of_work() as session:
            doubt = reference_crops.contradicted(session, encoder, product.sku, crops)
            # After the references: of two at once the second is told of the first's answer, not of the reference it made.
            if known := _known(session, asked, Verdict.PRODUCT, product.sku):
                return known
        if doubt:
            raise Conflict(doubt)
    for crop in crops:
        studio.store.put(studio.bucket, crop.key, crop.data, "image/jpeg", if_absent=True)
    with unit_of_work() as session:
        return _write(session, studio.bucket, encoder, asked, product, crops, given, new=new)


def reject(unit_of_work: UnitOfWork, sighting_ids: Sequence[int], given: Given) -> Answered:
    """These sightings show no product, or are never to be used. Raises NotFound, Conflict as `assign` does."""
    with unit_of_work() as session:
        catalog.lock(session)
        asked = _asked(session, sighting_ids)
        known = _known(session, asked, Verdict.NONE, None)
        if known is None:
            _append(session, asked, Verdict.NONE, None, {}, given)
    return known or Answered(None, len(asked), 0)


def undo(unit_of_work: UnitOfWork, sighting_id: int, given: Given) -> Answered:
    """Takes an answer back, for a whole group where it was given for one; returns what it had said and withdrew.

    A product it enrolled stays in the catalog, without the references it is never matched. Raises NotFound, Conflict.
    """
    with unit_of_work() as session:
        catalog.lock(session)
        answers = review.to_undo(session, sighting_id)
        withdrawn = review.undo(session, answers, actor=given.by, reason=given.reason)
    return Answered(answers[0].sku, len(answers), withdrawn)


def _asked(session: Session, sighting_ids: Sequence[int]) -> list[Kept]:
    asked = sightings.find(session, sighting_ids)
    for kept in asked:
        if kept.answer not in (Answer.PRODUCT, Answer.UNKNOWN):
            raise Conflict(f"sighting {kept.id} is {kept.answer}: nothing of a product was seen there")
    return asked


def _known(session: Session, asked: Sequence[Kept], verdict: Verdict, sku: str | None) -> Answered | None:
    """The answer, where all have it already; None where nobody has answered. Raises Conflict for any other one."""
    standing = review.standing(session, asked)
    for kept in asked:
        answer = standing.get(kept.id)
        if answer is not None and (answer.verdict, answer.sku) != (verdict, sku):
            said = f"that it is {answer.sku}" if answer.sku else "that it is no product"
            raise Conflict(
                f"sighting {kept.id}: {answer.actor} answered {said}, {answer.answered_at:%Y-%m-%d %H:%M} UTC;"
                f" `inventory-match review undo {kept.id}` takes that back"
            )
    return Answered(sku, len(asked), 0, known=True) if len(standing) == len(asked) else None


def _check_product(session: Session, product: ProductFacts, *, new: bool) -> None:
    """Raises where the product cannot be answered with."""
    found = catalog.list_products(session, {product.sku})
    if not new:
        if not found:
            raise NotFound(f"sku {product.sku!r} is not in the catalog; with --new and a name it is enrolled")
        if found[0].retired_at is not None:
            raise Conflict(f"{product.sku} is retired; importing it again brings it back")
        return
    if found:
        raise Conflict(f"{product.sku} is in the catalog already, as {found[0].name!r}; leave --new away to add to it")
    _check_facts(product)
    owner = catalog.gtin_owners(session).get(gtin.padded(product.gtin)) if product.gtin else None
    if owner is not None:
        problem = f"{product.gtin} is the gtin of {owner}, which is in the catalog"
        raise InvalidInput(problem, key="gtin", cure="one product, one gtin: correct one of the two")


def _check_facts(product: ProductFacts) -> None:
    """By the rules of a catalog file."""
    said = {key: value for key, value in asdict(product).items() if value is not None}
    if not product.sku.strip() or not (product.name or "").strip():
        raise InvalidInput("a new product needs a sku and a name", key="--new", cure='--new SKU "Name"')
    if found := complaint(said):
        key, problem, cure = found
        raise InvalidInput(problem, key=key, cure=cure)


def _write(
    session: Session,
    bucket: str,
    encoder: Encoder,
    asked: list[Kept],
    product: ProductFacts,
    crops: Sequence[Crop],
    given: Given,
    *,
    new: bool,
) -> Answered:
    """All in one transaction, and one at a time: whoever was second finds the answer of the first."""
    catalog.lock(session)
    catalog.active_encoder(session, encoder.sha256)
    if known := _known(session, asked, Verdict.PRODUCT, product.sku):
        return known
    _check_product(session, product, new=new)  # again: somebody may have enrolled or retired it since
    if new:
        catalog.upsert_products(session, [product])
    ids = catalog.add_references(session, [crop.reference(product.sku, bucket) for crop in crops])
    vectors = {reference: crop.vector for reference, crop in zip(ids, crops, strict=True)}
    waits = catalog.without_vector(session, encoder.id, vectors)
    catalog.copy_embeddings(session, encoder.id, ((one, product.sku, vectors[one]) for one in waits))
    references = {crop.sighting_id: reference for reference, crop in zip(ids, crops, strict=True)}
    _append(session, asked, Verdict.PRODUCT, product.sku, references, given)
    return Answered(product.sku, len(asked), len(waits))


def _append(
    session: Session, asked: Sequence[Kept], verdict: Verdict, sku: str | None, references: dict[int, int], given: Given
) -> None:
    """Those a person has answered the same before keep that answer."""
    standing = review.standing(session, asked)
    review.append(
        session,
        [kept for kept in asked if kept.id not in standing],
        verdict,
        sku,
        references,
        actor=given.by,
        reason=given.reason,
        forced=given.force,
        group_of=given.group_of,
    )
