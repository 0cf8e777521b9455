"""What a person answers teaches at once: the next, different photo of the product is matched."""

from __future__ import annotations

from dataclasses import replace
from threading import Barrier, Thread

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from inventory_match import ports, review, review_queue
from inventory_match.db import catalog, sightings
from inventory_match.db.catalog import ProductFacts
from inventory_match.domain.errors import Conflict, InvalidInput, NotFound
from inventory_match.domain.matching import Thresholds
from inventory_match.domain.photos import PhotoState
from inventory_match.enrol import Studio
from inventory_match.review import Answered, Given
from inventory_match.vision.images import crop, decoder
from inventory_match.vision.jpeg import encode_jpeg
from inventory_match.vision.weights import EncoderRecord, Preprocessing

from .conftest import COLOURS, ColourEncoder, Shop
from .test_switching import DarkEncoder, activate, add_dark

BY = Given("ann")
NEW = ProductFacts("E", "Product E", "packs")
ORANGE = (200, 118, 40)
"""Hardly nearer to the red of A than to the yellow of D, and near enough to both for the rules of `doubting`."""


@pytest.fixture
def studio(shop: Shop) -> Studio:
    """Where answers become references: the shop's bucket."""
    how = Preprocessing(8, (0, 0, 0), (1, 1, 1))
    thresholds, sha256 = shop.rules.thresholds, ColourEncoder.sha256
    record = EncoderRecord("colours", "mean", 3, "cosine", how, "none", "MIT", "here", thresholds, sha256=sha256)
    store, bucket = shop.app.store, shop.app.settings.bucket
    return Studio(store, bucket, decoder(), crop, encode_jpeg, ColourEncoder(), record, thresholds)


def unknown(shop: Shop) -> int:
    """The newest sighting nobody could name."""
    return int(shop.one("select max(id) from inventory_match.sighting where answer = 'unknown'"))


def seen(shop: Shop) -> list[str | None]:
    """What the newest photo was found to show, place by place."""
    newest = "select sku from inventory_match.sighting where photo_id = (select max(id) from inventory_match.photo)"
    return [row[0] for row in shop.rows(newest + " order by position")]


def waiting(shop: Shop) -> list[int]:
    return [row[0] for row in shop.rows("select sighting_id from inventory_match.review_queue")]


def test_an_enrolled_unknown_is_matched_on_the_next_photo(shop: Shop, studio: Studio) -> None:
    shop.see("A", "?", "B", "C", minute=1)
    assert seen(shop) == ["A", None, "B", "C"]
    assert waiting(shop) == [unknown(shop)]
    done = review.assign(studio, shop.app.unit_of_work, [unknown(shop)], NEW, BY, new=True)
    assert done == Answered("E", 1, 1)
    assert waiting(shop) == []
    assert shop.one("select count(*) from inventory_match.unknown_products") == 0
    key = shop.one("select reference_key from inventory_match.review_log where stands and actor = 'ann'")
    assert key.startswith("catalog/")
    assert shop.see("B", "A", "?", "C", minute=2) is PhotoState.DONE
    assert seen(shop) == ["B", "A", "E", "C"]


@pytest.fixture
def doubting(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop that also gets orange packs, and finds them ambiguous."""
    monkeypatch.setitem(COLOURS, "orange", ORANGE)
    shop.rules = replace(shop.rules, thresholds=Thresholds(accept=0.8, margin=0.1))
    return shop


def test_an_accepted_ambiguous_crop_decides_the_next_one(doubting: Shop, studio: Studio) -> None:
    shop = doubting
    shop.see("orange", "A", "B", "C", minute=1)
    [(outcome, first)] = shop.rows("select outcome, best_guess from inventory_match.review_queue")
    assert outcome == "ambiguous"
    assert review.accept(studio, shop.app.unit_of_work, unknown(shop), None, BY).sku == first
    shop.see("A", "B", "orange", "C", minute=2)
    assert seen(shop) == ["A", "B", first, "C"]


def test_counts_stay_as_they_were(shop: Shop, studio: Studio) -> None:
    shop.see("A", "?", "B", "C", minute=1)
    before = shop.rows("select * from inventory_match.stock_event order by id")
    review.assign(studio, shop.app.unit_of_work, [unknown(shop)], NEW, BY, new=True)
    assert shop.rows("select * from inventory_match.stock_event order by id") == before
    assert shop.levels().get("E") is None


def test_the_same_answer_twice_is_one_and_another_one_is_refused(shop: Shop, studio: Studio) -> None:
    shop.see("A", "?", "B", "C", minute=1)
    asked = [unknown(shop)]
    review.assign(studio, shop.app.unit_of_work, asked, NEW, BY, new=True)
    assert review.assign(studio, shop.app.unit_of_work, asked, NEW, BY, new=True) == Answered("E", 1, 0, known=True)
    with pytest.raises(Conflict, match=r"ann answered that it is E.*review undo"):
        review.reject(shop.app.unit_of_work, asked, Given("bob"))
    assert shop.one("select count(*) from inventory_match.review_answer") == 1


def test_of_two_people_at_once_one_is_told(shop: Shop, studio: Studio) -> None:
    shop.see("A", "?", "B", "C", minute=1)
    asked, start = [unknown(shop)], Barrier(2)
    told: list[object] = []

    def answer(sku: str) -> None:
        start.wait()
        try:
            told.append(review.assign(studio, shop.app.unit_of_work, asked, ProductFacts(sku, sku), BY, new=True).sku)
        except Conflict as error:
            told.append(error)

    both = [Thread(target=answer, args=(sku,)) for sku in ("E", "F")]
    for one in both:
        one.start()
    for one in both:
        one.join()
    won = [one for one in told if isinstance(one, str)]
    assert len(won) == 1
    assert f"ann answered that it is {won[0]}" in next(str(one) for one in told if isinstance(one, Conflict))
    assert shop.rows("select distinct sku from inventory_match.reference_photo where source like 'review:%'") == [
        (won[0],)
    ]


def test_a_sku_enrolled_meanwhile_for_something_else_is_not_renamed(
    shop: Shop, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.see("A", "?", "?", "C", minute=1)
    one, other = waiting(shop)
    plain = catalog.lock

    def overtaken(session: Session) -> None:
        monkeypatch.setattr(catalog, "lock", plain)
        review.assign(studio, shop.app.unit_of_work, [other], NEW, Given("bob"), new=True)
        plain(session)

    monkeypatch.setattr(catalog, "lock", overtaken)
    with pytest.raises(Conflict, match="in the catalog already, as 'Product E'"):
        review.assign(studio, shop.app.unit_of_work, [one], ProductFacts("E", "Eggs"), BY, new=True)
    assert shop.rows("select actor, name from inventory_match.review_log") == [("bob", "Product E")]


def test_an_answer_that_a_switch_overtook_is_to_be_given_again(shop: Shop, studio: Studio) -> None:
    shop.see("A", "?", "B", "C", minute=1)
    late = replace(studio, encoder=DarkEncoder())
    with pytest.raises(Conflict, match="colours was activated meanwhile, nothing was written; do it again"):
        review.assign(late, shop.app.unit_of_work, [unknown(shop)], NEW, BY, new=True)

    dark = add_dark(shop)

    def overtaken(image: ports.Image) -> bytes:
        activate(shop, dark)
        return encode_jpeg(image)

    slow = replace(studio, encode_jpeg=overtaken)
    with pytest.raises(Conflict, match="dark was activated meanwhile, nothing was written; do it again"):
        review.assign(slow, shop.app.unit_of_work, [unknown(shop)], NEW, BY, new=True)
    assert shop.rows("select 1 from inventory_match.review_log") == []
    assert shop.rows("select 1 from inventory_match.product where sku = 'E'") == []


def test_undo_withdraws_the_reference_and_asks_again(shop: Shop, studio: Studio) -> None:
    shop.see("A", "?", "B", "C", minute=1)
    asked = unknown(shop)
    review.assign(studio, shop.app.unit_of_work, [asked], NEW, BY, new=True)
    assert review.undo(shop.app.unit_of_work, asked, Given("bob", "a slip")) == Answered("E", 1, 1)
    assert waiting(shop) == [asked]
    shop.see("B", "A", "?", "C", minute=2)
    assert seen(shop) == ["B", "A", None, "C"]
    log = "select actor, verdict, stands, undone_by from inventory_match.review_log order by id"
    assert shop.rows(log) == [("ann", "product", False, "bob"), ("bob", "undone", False, None)]
    with pytest.raises(Conflict, match="taken back already"):
        review.undo(shop.app.unit_of_work, asked, BY)
    review.reject(shop.app.unit_of_work, [asked], Given("bob"))  # a second round
    with pytest.raises(NotFound, match="nobody answered"):
        review.undo(shop.app.unit_of_work, unknown(shop), BY)


def test_answers_are_never_rewritten(shop: Shop) -> None:
    shop.see("A", "?", "B", "C", minute=1)
    review.reject(shop.app.unit_of_work, [unknown(shop)], BY)
    for statement in ("update {} set actor = 'eve'", "delete from {}", "truncate {}"):
        with pytest.raises(DBAPIError, match="append-only"), shop.app.unit_of_work() as session:
            session.execute(text(statement.format("inventory_match.review_answer")))


def test_a_crop_that_looks_like_another_product_needs_insisting(shop: Shop, studio: Studio) -> None:
    shop.see("A", "?", "B", "C", minute=1)
    [green] = shop.rows("select id from inventory_match.sighting where sku = 'B'")
    with pytest.raises(Conflict, match=r"looks like B.*to A.*--force"):
        review.assign(studio, shop.app.unit_of_work, [green[0]], ProductFacts("A"), BY)
    with pytest.raises(Conflict, match=r"looks like B.*E has no references"):
        review.assign(studio, shop.app.unit_of_work, [green[0]], NEW, BY, new=True)
    assert shop.one("select count(*) from inventory_match.product where sku = 'E'") == 0
    forced = Given("ann", "a new design", force=True)
    assert review.assign(studio, shop.app.unit_of_work, [green[0]], ProductFacts("A"), forced).references == 1
    assert shop.one("select forced from inventory_match.review_log") is True


@pytest.mark.parametrize(
    ("product", "new", "error", "told"),
    [
        (ProductFacts("Z"), False, NotFound, "--new"),
        (ProductFacts("A", "Again"), True, Conflict, "in the catalog already"),
        (ProductFacts("E"), True, InvalidInput, "a name"),
        (ProductFacts("E", "E", gtin="4006381333932"), True, InvalidInput, "check digit"),
        (ProductFacts("E", "E\0"), True, InvalidInput, "NUL"),
    ],
)
def test_products_are_checked_as_in_an_import(
    shop: Shop, studio: Studio, product: ProductFacts, new: bool, error: type[Exception], told: str
) -> None:
    shop.see("A", "?", "B", "C", minute=1)
    with pytest.raises(error, match=told):
        review.assign(studio, shop.app.unit_of_work, [unknown(shop)], product, BY, new=new)


def test_only_a_candidate_is_accepted_and_a_void_shows_nothing(shop: Shop, studio: Studio) -> None:
    shop.see("A", ".", "?", "C", minute=1)
    with pytest.raises(InvalidInput, match=r"none of its candidates.*review assign"):
        review.accept(studio, shop.app.unit_of_work, unknown(shop), "E", BY)
    void = shop.one("select id from inventory_match.sighting where answer = 'void'")
    with pytest.raises(Conflict, match="nothing of a product"):
        review.reject(shop.app.unit_of_work, [void], BY)


def test_a_vector_of_another_encoder_is_made_anew(shop: Shop, studio: Studio) -> None:
    shop.see("A", "?", "B", "C", minute=1)
    with shop.app.unit_of_work() as session:
        session.execute(text(
            "with other as (insert into inventory_match.encoder (name, arch, sha256, dim, metric, record, thresholds, state)"
            " values ('old', 'x', 'old', 2, 'cosine', '{}', '{\"accept\": 0.5, \"margin\": 0}', 'retired') returning id)"
            " update inventory_match.sighting set encoder_id = other.id, embedding = '[1,0]' from other"
        ))  # fmt: skip
    review.assign(studio, shop.app.unit_of_work, [unknown(shop)], NEW, BY, new=True)
    shop.see("B", "A", "?", "C", minute=2)
    assert seen(shop) == ["B", "A", "E", "C"]


def test_one_answer_enrols_a_group(shop: Shop, studio: Studio) -> None:
    for minute in range(1, 4):
        shop.see("A", "?", "?", "C", minute=minute)
    with shop.app.unit_of_work() as session:
        [group] = review_queue.groups(session)
        [question] = review_queue.questions(session, "s1", "cam", 5)
    assert (len(group.sightings), group.stores) == (6, ["s1"]), "every look at a place that is still unknown"
    assert question.kept.id == group.name
    given = Given("ann", group_of=group.name)
    assert review.assign(studio, shop.app.unit_of_work, group.sightings, NEW, given, new=True).sightings == 6
    shop.see("?", "A", "B", "C", minute=9)
    assert seen(shop) == ["E", "A", "B", "C"]
    assert waiting(shop) == []
    assert review.undo(shop.app.unit_of_work, group.sightings[3], BY).sightings == 6


def test_who_names_a_group_answers_for_what_looks_like_that_one(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos that come between showing and answering move the groups: the one named may be at the edge of another then."""
    for name, green in (("left", 170), ("centre", 140), ("right", 110)):
        monkeypatch.setitem(COLOURS, name, (20, green, 280 - green))
    shop.see("A", "left", "centre", "right", minute=1)
    with shop.app.unit_of_work() as session:
        [shown] = review_queue.groups(session, least=0.85)
        places = {one.id: one.position for one in sightings.find(session, shown.sightings)}
        assert places[shown.name] == 2, "both others look like it"
        answered = {
            place: sorted(places[other] for other in review_queue.group_named(session, one, least=0.85).sightings)
            for one, place in places.items()
        }
    assert answered == {1: [1, 2], 2: [1, 2, 3], 3: [2, 3]}, "left and right do not look alike"


def test_the_closest_call_is_asked_first(doubting: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COLOURS, "!", (20, 200, 200))
    doubting.see("!", "?", "?", "orange", minute=1)
    with doubting.app.unit_of_work() as session:
        asked = review_queue.questions(session, None, None, 5)
        assert review_queue.questions(session, "elsewhere", None, 5) == []
    assert [question.kept.position for question in asked] == [3, 2, 0], "two that look alike before one alone"
    assert [len(question.group.sightings) for question in asked if question.group] == [2, 1]
