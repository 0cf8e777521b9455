"""A plan beside what was seen: shelves are rows of letters, `.` the bare shelf, `?` unknown, `#` hidden, space nothing."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_match.domain.compliance import Facing, Judged, Verdict, compare, summary
from inventory_match.domain.counting import Answer
from inventory_match.domain.planogram import Expected, Planogram, Slot, expected

ANSWERS = {".": Answer.VOID, "?": Answer.UNKNOWN, "#": Answer.NOT_ASSESSABLE}
SHORT = {
    Verdict.COMPLIANT: "+",
    Verdict.MISPLACED: "~",
    Verdict.MISSING: "-",
    Verdict.EXTRA: "x",
    Verdict.NEEDS_REVIEW: "?",
    Verdict.NOT_ASSESSABLE: "#",
}


def plan(*rows: str) -> tuple[Expected, ...]:
    """`AAB` plans two facings of A and one of B."""
    slots = []
    for row, skus in enumerate(rows, 1):
        slots += [
            Slot(row, place, sku, len(list(side))) for place, (sku, side) in enumerate(itertools.groupby(skus), 1)
        ]
    return expected(Planogram("plan", tuple(slots)))


def shelf(*rows: str) -> list[Facing]:
    """Facings of equal width, a tenth of the photo each; a space leaves room in which nothing was seen."""
    found: list[Facing] = []
    for row, shown in enumerate((row for row in rows if row.strip()), 1):
        at = [column for column, one in enumerate(shown) if one != " "]
        for place, column in enumerate(at, 1):
            answer = ANSWERS.get(shown[column], Answer.PRODUCT)
            sku = shown[column] if answer is Answer.PRODUCT else None
            found.append(Facing(row, place, len(found), column / 10, (column + 1) / 10, answer, sku))
    return found


def verdicts(found: list[Judged]) -> str:
    """Row by row as `+-~`, extras at the end."""
    rows = itertools.groupby(found, key=lambda one: one.expected.row if one.expected else 0)
    return " ".join("".join(SHORT[one.verdict] for one in row) for _, row in rows)


@pytest.mark.parametrize(
    ("planned", "seen", "judged"),
    [
        (["AAB", "CD"], ["AAB", "CD"], "+++ ++"),
        (["ABCDE"], ["BCDE"], "-++++"),  # closed up: the others are where they belong
        (["ABCDE"], ["AB.DE"], "++-++"),
        (["ABC"], ["AXC"], "+-+ x"),
        (["ABC"], ["CBA"], "~+~"),  # both stand elsewhere
        (["AB", "CD"], ["AD", "CB"], "+~ +~"),
        (["AABB"], ["ABBB"], "+-++ x"),
        (["ABC"], ["A?C"], "+?+"),
        (["ABC"], ["A#C"], "+#+"),
        (["ABC"], ["ABCX"], "+++ x"),
        (["ABC"], [".ABC"], "+++"),
        (["ABC"], ["A C"], "+#+"),  # there is room for B, and nothing was seen in it
        (["AB", "AC"], ["A ", "AC"], "+# ++"),  # the same at the end of a row
        (["AB", "CD", "EF"], ["AB", "EF"], "++ ## ++"),  # a whole row of which nothing was seen
        (["AB", "CD", "EF"], ["AB", "..", "EF"], "++ -- ++"),  # and one that was seen to be empty
        (["AB"], [], "##"),
        (["ABCD"], ["A#D"], "+##+"),  # what hides one may hide another
        (["AB"], ["##"], "##"),  # a covered lens never means sold out
    ],
)
def test_verdicts(planned: list[str], seen: list[str], judged: str) -> None:
    assert verdicts(compare(plan(*planned), shelf(*seen))) == judged


def test_a_gap_is_where_the_bare_shelf_is_seen_whether_or_not_the_product_stands_elsewhere() -> None:
    found = compare(plan("ABC", "DEF"), shelf("A.C", "D.FB"))

    gaps = [(one.expected.sku, one.verdict) for one in found if one.gap and one.expected]
    assert gaps == [("B", Verdict.MISPLACED), ("E", Verdict.MISSING)]


def test_what_stands_in_the_place_and_where_the_product_stands_instead_are_told() -> None:
    [_, wrong, _] = compare(plan("ABC"), shelf("AXCB"))[:3]

    assert (wrong.seen and wrong.seen.sku, wrong.elsewhere and wrong.elsewhere.place) == ("X", 4)


def test_one_stray_facing_stands_for_one_missing_facing_only() -> None:
    found = compare(plan("AB", "BC"), shelf("A.", ".CB"))

    assert verdicts(found) == "+- ~+"  # the nearer one


def test_the_share_counts_only_what_could_be_assessed() -> None:
    figures = summary(compare(plan("ABCDEF"), shelf("A.#?EXF")))

    assert (figures.eligible, figures.assessed, figures.compliant, figures.missing) == (6, 4, 3, 1)
    assert (figures.gaps, figures.extra, figures.needs_review, figures.not_assessable) == (1, 1, 1, 1)
    assert figures.share == 0.75
    assert summary(compare(plan("AB"), shelf("##"))).share is None


ROWS = st.lists(st.text("ABC", min_size=1, max_size=6), min_size=1, max_size=4)
SEEN = st.lists(st.text("ABC.?#", min_size=1, max_size=6), max_size=4)


@given(ROWS)
def test_a_shelf_as_planned_is_compliant_throughout(planned: list[str]) -> None:
    assert {one.verdict for one in compare(plan(*planned), shelf(*planned))} == {Verdict.COMPLIANT}


@given(ROWS, SEEN)
def test_every_expected_facing_gets_one_verdict_and_every_product_seen_is_accounted_for_once(
    planned: list[str], seen: list[str]
) -> None:
    found = compare(plan(*planned), shelf(*seen))

    assert [one.expected for one in found if one.expected] == list(plan(*planned))
    places = [one.seen for one in found if one.verdict in (Verdict.COMPLIANT, Verdict.EXTRA)]
    places += [one.elsewhere for one in found if one.elsewhere]
    products = [one for one in shelf(*seen) if one.answer is Answer.PRODUCT]
    assert sorted(one.position for one in places if one) == [one.position for one in products]


@given(ROWS, st.lists(st.text("#", min_size=1, max_size=6), max_size=4))
def test_nothing_is_called_missing_behind_a_cover(planned: list[str], seen: list[str]) -> None:
    assert summary(compare(plan(*planned), shelf(*seen))).assessed == 0
