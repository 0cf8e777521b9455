"""What should stand on a shelf, from a planogram or from habit: judged with every photo, told in SQL, and used to decide."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from inventory_match import planogram_file
from inventory_match.apply_planogram import Applied, apply_planogram, remove_planogram
from inventory_match.db.planograms import Shelf
from inventory_match.domain.errors import InvalidInput, NotFound
from inventory_match.domain.matching import Candidate, Evidence, Prior, Thresholds, decide
from inventory_match.domain.photos import PhotoState

from .conftest import Shop
from .scenes import show

SHELF = Shelf("s1", "cam")


@pytest.fixture
def shop(empty_shop: Shop) -> Shop:
    """One shelf whose camera finds facings by itself."""
    empty_shop.camera("cam", 0)
    return empty_shop


def plan(shop: Shop, *rows: str, shelf: Shelf = SHELF, name: str = "week 12") -> Applied:
    """A facing a letter."""
    text = f'name = "{name}"\n' + "".join(f"[[rows]]\npositions = {list(row)}\n" for row in rows)
    return apply_planogram(shop.app.unit_of_work, shelf, planogram_file.parse(text, "plan.toml"), "ann")


def told(shop: Shop, view: str = "planogram_compliance", **where: Any) -> list[tuple[Any, ...]]:
    """(row, place, sku, verdict) in the order of the view."""
    conditions = "".join(f" and {key} = :{key}" for key in where)
    return shop.rows(
        f"select shelf_row, place_in_row, sku, verdict from inventory_match.{view} where true{conditions}", **where
    )


def score(shop: Shop, *figures: str) -> tuple[Any, ...]:
    [found] = shop.rows(f"select {', '.join(figures)} from inventory_match.planogram_score")
    return found


def test_each_photo_is_judged_by_the_plan_in_force(shop: Shop) -> None:
    plan(shop, "ABC", "DD")
    show(shop, "ABC", "DD", minute=0)
    assert score(shop, "compliance", "eligible", "expected_by") == (1.0, 5, "week 12")

    show(shop, "A.C", "BD", minute=1)

    assert told(shop) == [
        (1, 1, "A", "compliant"), (1, 2, "B", "misplaced"), (1, 3, "C", "compliant"),
        (2, 1, "D", "missing"), (2, 2, "D", "compliant"),
    ]  # fmt: skip
    assert shop.rows("select sku, stands_row, stands_place from inventory_match.shelf_gap") == [("B", 2, 1)]
    assert score(shop, "compliance", "assessed", "misplaced", "missing", "gaps", "extra") == (0.6, 5, 1, 1, 1, 0)


def test_a_covered_lens_changes_no_figure_and_a_covered_place_is_not_assessable(shop: Shop) -> None:
    plan(shop, "ABC")
    show(shop, "ABC", minute=0)
    assert show(shop, "###", minute=1) is PhotoState.NEEDS_REVIEW
    assert score(shop, "compliance", "assessed", "captured_at = (select min(captured_at) from inventory_match.photo)") == (
        1.0, 3, True,
    )  # fmt: skip

    show(shop, "A#C", minute=2)

    assert told(shop)[1] == (1, 2, "B", "not_assessable")
    assert score(shop, "compliance", "eligible", "assessed", "not_assessable", "missing") == (1.0, 3, 2, 1, 0)
    assert shop.rows("select 1 from inventory_match.shelf_gap") == []


def test_an_unknown_product_needs_review_and_one_too_many_is_told(shop: Shop) -> None:
    plan(shop, "AB")
    show(shop, "A?C", minute=0)

    assert told(shop) == [(1, 1, "A", "compliant"), (1, 2, "B", "needs_review"), (1, 3, "C", "extra")]
    assert [row[0] for row in shop.rows("select answer from inventory_match.planogram_compliance")] == [
        "yes", "needs_review", "no",
    ]  # fmt: skip


def test_applying_judges_the_newest_photo_again_and_saying_the_same_twice_changes_nothing(shop: Shop) -> None:
    show(shop, "AB", minute=0)
    show(shop, "AB", minute=1)
    assert plan(shop, "BA").judged == 1
    assert score(shop, "expected_by", "compliance < 1") == ("week 12", True)

    assert not plan(shop, "BA").changed
    assert plan(shop, "AB", name="week 13").judged == 1
    assert score(shop, "expected_by", "compliance") == ("week 13", 1.0)
    assert shop.rows("select name, ended_at is null from inventory_match.planogram order by id") == [
        ("week 12", False), ("week 13", True),
    ]  # fmt: skip
    assert remove_planogram(shop.app.unit_of_work, SHELF)
    assert not remove_planogram(shop.app.unit_of_work, SHELF)
    assert shop.rows("select 1 from inventory_match.planogram_score") == [], "two photos make no habit"


def test_what_the_catalog_lacks_is_told_with_its_line_and_nothing_is_applied(shop: Shop) -> None:
    shop.rows("update inventory_match.product set retired_at = now() where sku = 'D' returning 1")
    with pytest.raises(InvalidInput) as raised:
        plan(shop, "AX", "D")
    assert "plan.toml:3: rows[1].positions[2]: 'X' is no sku or GTIN of the catalog (correct it" in str(raised.value)
    assert "plan.toml:5: rows[2].positions[1]: 'D' is retired" in str(raised.value)
    with pytest.raises(NotFound, match="no location attic of store s1"):
        plan(shop, "A", shelf=Shelf("s1", "attic"))
    assert shop.rows("select 1 from inventory_match.planogram") == []


def test_without_a_plan_what_stood_there_in_most_earlier_photos_is_expected(shop: Shop) -> None:
    for minute in range(3):
        show(shop, "ABC", minute=minute)
    assert shop.rows("select 1 from inventory_match.planogram_score") == [], "too few to call anything usual"
    show(shop, "ABC", minute=3)
    assert score(shop, "expected_by", "compliance") == ("usual", 1.0)

    show(shop, "A.C", minute=4)

    gap = "select sku, expected_by, seen_in, looks, verdict from inventory_match.shelf_gap"
    assert shop.rows(gap) == [("B", "usual", 4, 4, "missing")]
    show(shop, "A.C", minute=5)
    assert shop.rows(gap) == [("B", "usual", 4, 4, "missing")], "an empty place forgets nothing"


def test_a_late_photo_is_judged_by_what_was_usual_then_and_speaks_for_no_shelf(shop: Shop) -> None:
    for minute in (10, 11, 12, 13):
        show(shop, "AB", minute=minute)
    show(shop, "BA", minute=1)

    assert score(shop, "compliance") == (1.0,)
    assert told(shop, "planogram_log", photo_id=shop.kicks.photos[-1]) == []


def test_of_two_cameras_each_speaks_for_the_rows_it_sees(shop: Shop) -> None:
    shop.camera("high", 0, location="bay", shelf_rows=[1])
    shop.camera("low", 0, location="bay", shelf_rows=[2, 3])
    plan(shop, "AB", "BC", "DD", shelf=Shelf("s1", "bay"))

    show(shop, "AB", camera="high", minute=0)
    assert score(shop, "eligible", "compliance") == (2, 1.0)
    show(shop, "BC", "D.", camera="low", minute=1)

    assert score(shop, "eligible", "assessed", "compliant") == (6, 5, 5), "nothing was seen where the last D may stand"
    assert [row[:3] for row in told(shop)] == [
        (1, 1, "A"),
        (1, 2, "B"),
        (2, 1, "B"),
        (2, 2, "C"),
        (3, 1, "D"),
        (3, 2, "D"),
    ]


def test_of_two_views_of_one_row_the_newer_speaks_unless_it_is_covered(shop: Shop) -> None:
    for camera in ("left", "right"):
        shop.camera(camera, 2, location="bay")
    plan(shop, "AB", shelf=Shelf("s1", "bay"))
    shop.see("A", "B", camera="left", minute=0)
    shop.see("A", ".", camera="right", minute=1)
    assert score(shop, "eligible", "compliant", "gaps") == (2, 1, 1)
    shop.see("A", "B", camera="left", minute=2)
    assert score(shop, "eligible", "compliant", "gaps") == (2, 2, 0)


def test_where_the_newest_view_of_a_row_is_covered_the_other_camera_speaks_for_it(shop: Shop) -> None:
    for camera in ("left", "right"):
        shop.camera(camera, 0, location="bay")
    plan(shop, "AB", "CD", shelf=Shelf("s1", "bay"))
    show(shop, "AB", "CD", camera="left", minute=0)
    show(shop, "AB", "CD", camera="right", minute=1)
    assert show(shop, "AB", "##", camera="left", minute=2) is PhotoState.DONE

    assert score(shop, "eligible", "assessed", "compliant") == (4, 4, 4)
    assert shop.rows("select distinct camera, shelf_row from inventory_match.planogram_compliance order by 2") == [
        ("left", 1), ("right", 2),
    ]  # fmt: skip


def test_a_cameras_own_plan_comes_before_that_of_its_location(shop: Shop) -> None:
    shop.camera("low", 0, location="bay", shelf_rows=[3])
    plan(shop, "A", "A", "A", shelf=Shelf("s1", "bay"))
    plan(shop, "BC", shelf=Shelf("s1", "bay", "low"), name="low end")

    show(shop, "BC", camera="low", minute=0)

    assert score(shop, "expected_by", "compliance") == ("low end", 1.0)
    assert {row[0] for row in told(shop)} == {3}, "its first row is the location's third"


def test_shares_of_shelf_count_known_facings_and_say_how_many_were_assessed(shop: Shop) -> None:
    shop.rows("update inventory_match.product set brand = case when sku in ('A', 'B') then 'Acme' end returning 1")
    show(shop, "AABD?", "CD", minute=0)
    show(shop, "AAB.?", "C#", minute=1)

    brands = "select name, facings, share, share_of_width, assessed, eligible, needs_review, not_assessable"
    acme, nobody = shop.rows(f"{brands} from inventory_match.shelf_share where of = 'brand'")
    assert acme[:3] == ("Acme", 3, 0.75)
    assert acme[3] == pytest.approx(0.75)
    assert acme[4:] == (4, 6, 1, 1)
    assert nobody[:3] == (None, 1, 0.25)
    assert shop.rows("select name, facings, share from inventory_match.shelf_share where of = 'category'") == [
        ("packs", 4, 1.0)
    ]


def twins(shop: Shop) -> None:
    """Two packs that the encoder cannot tell apart: the reference of B is that of A."""
    same = "update inventory_match.reference_embedding b set embedding = a.embedding"
    shop.rows(f"{same} from inventory_match.reference_embedding a where a.sku = 'A' and b.sku = 'B' returning 1")


def test_a_tie_is_decided_by_the_plan_and_a_clearly_other_product_out_of_place_stays_that_product(shop: Shop) -> None:
    twins(shop)
    show(shop, "AC", minute=0)
    assert shop.rows("select answer, outcome from inventory_match.sighting order by position") == [
        ("unknown", "ambiguous"), ("product", "matched"),
    ]  # fmt: skip

    plan(shop, "AA")
    show(shop, "AC", minute=1)

    [tie, other] = shop.rows(
        "select sku, rule, expected, expected_by, expected_weight, second_sku from inventory_match.sighting_log"
        " where photo_id = :photo order by x0",
        photo=shop.kicks.photos[-1],
    )
    assert (tie[0], tie[2:]) == ("A", (["A"], "planogram 1", pytest.approx(0.1), "B"))
    assert "A is expected there (planogram 1)" in tie[1]
    assert (other[0], other[2]) == ("C", ["A"]), "out of place, and told as what it is"
    assert [row[3] for row in told(shop)] == ["compliant", "missing", "extra"]


def test_what_was_known_beforehand_is_kept_for_a_replay(shop: Shop) -> None:
    twins(shop)
    plan(shop, "BC")
    show(shop, "ACD", minute=0)

    kept = "select candidates, thresholds, prior, sku, outcome, rule from inventory_match.sighting"
    rows = shop.rows(kept)
    assert shop.rows("select second_sku from inventory_match.sighting_log where sku = 'B'") == [("A",)]
    assert {row[3] for row in rows} == {"B", "C", "D"}
    for candidates, thresholds, prior, sku, outcome, rule in rows:
        listed = tuple(Candidate(one["sku"], one["similarity"]) for one in candidates)
        again = decide(Evidence(listed, Prior.from_mapping(prior)), Thresholds.from_mapping(thresholds))
        assert (again.sku, again.outcome, again.rule) == (sku, outcome, rule)


def test_the_setting_switches_it_off(shop: Shop) -> None:
    twins(shop)
    plan(shop, "AC")
    shop.rules = replace(shop.rules, expected_margins=0.0)
    show(shop, "AC", minute=0)

    assert [row[3] for row in told(shop)] == ["needs_review", "compliant"]
