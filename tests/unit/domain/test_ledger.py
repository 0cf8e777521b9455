"""Counts to levels: late, kept, awaiting, moved, and that what comes late changes nothing in the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_match.domain.ledger import Effect, Level, Observed, apply_count, apply_person_count, unseen_since

START = datetime(2026, 3, 2, 8, tzinfo=UTC)


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def seen(facings: int, minute: int, depth: int = 1) -> Observed:
    return Observed(facings, depth, at(minute))


def run(*counts: Observed, confirmations: int = 1, level: Level | None = None) -> tuple[Level, list[Effect]]:
    level, effects = level or Level(), []
    for one in counts:
        level, effect = apply_count(level, one, confirmations)
        effects.append(effect)
    return level, effects


COUNTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20)), max_size=12)
CONFIRMATIONS = st.integers(1, 4)


def test_the_first_count_moves_at_once_whatever_the_policy_asks() -> None:
    level, effects = run(seen(4, 0, depth=3), confirmations=5)

    assert effects == [Effect.MOVED]
    assert level == Level(12, 4, at(0), at(0))


def test_the_same_again_is_kept_and_refreshes_the_age() -> None:
    level, effects = run(seen(4, 0), seen(4, 10))

    assert effects == [Effect.MOVED, Effect.KEPT]
    assert level.seen_at == level.counted_at == at(10)


def test_an_older_photo_changes_nothing() -> None:
    before, _ = run(seen(4, 10))

    assert apply_count(before, seen(0, 9), 1) == (before, Effect.LATE)


def test_a_photo_older_than_one_that_still_waits_is_late_too() -> None:
    _, effects = run(seen(4, 0), seen(3, 10), seen(3, 9), confirmations=2)

    assert effects == [Effect.MOVED, Effect.AWAITING, Effect.LATE]


def test_confirmations_must_come_in_a_row() -> None:
    level, effects = run(seen(4, 0), seen(3, 1), seen(4, 2), seen(3, 3), seen(3, 4), confirmations=2)

    assert effects == [Effect.MOVED, Effect.AWAITING, Effect.KEPT, Effect.AWAITING, Effect.MOVED]
    assert level.units == 3
    assert level.pending_photos == 0


def test_confirmations_must_agree_with_each_other() -> None:
    _, effects = run(seen(4, 0), seen(3, 1), seen(2, 2), seen(2, 3), seen(2, 4), confirmations=3)

    assert effects == [Effect.MOVED, Effect.AWAITING, Effect.AWAITING, Effect.AWAITING, Effect.MOVED]


def test_one_look_uploaded_twice_does_not_confirm_itself() -> None:
    level, effects = run(seen(4, 0), seen(0, 1), seen(0, 1), confirmations=2)

    assert effects == [Effect.MOVED, Effect.AWAITING, Effect.AWAITING]
    assert (level.units, level.pending_photos) == (4, 1)


def test_a_person_is_believed_at_once_unless_newer_news_is_there() -> None:
    level, _ = run(seen(4, 0), seen(3, 5), confirmations=3)

    moved, effect = apply_person_count(level, seen(7, 6))
    assert (effect, moved.units, moved.pending_units) == (Effect.MOVED, 7, None)
    assert apply_person_count(level, seen(7, 4)) == (level, Effect.LATE)


def test_what_newer_photos_would_have_shown_is_late() -> None:
    assert unseen_since(Level(), None) == Level()
    assert apply_count(unseen_since(Level(), at(5)), seen(1, 4), 1)[1] is Effect.LATE
    assert apply_count(unseen_since(Level(), at(5)), seen(1, 5), 1)[1] is Effect.MOVED
    newer, _ = run(seen(2, 9))
    assert unseen_since(newer, at(5)) == newer


@given(COUNTS, CONFIRMATIONS)
def test_late_photos_never_change_the_final_level(counts: list[tuple[int, int]], confirmations: int) -> None:
    observed = [seen(facings, minute) for facings, minute in counts]
    level, effects = run(*observed, confirmations=confirmations)
    timely = [one for one, effect in zip(observed, effects, strict=True) if effect is not Effect.LATE]

    assert run(*timely, confirmations=confirmations)[0] == level


@given(COUNTS, CONFIRMATIONS)
def test_the_level_moves_only_after_that_many_equal_looks(counts: list[tuple[int, int]], confirmations: int) -> None:
    level, looks = Level(), list[tuple[int, datetime]]()
    for facings, minute in counts:
        before = level
        level, effect = apply_count(level, seen(facings, minute), confirmations)
        if effect is not Effect.LATE:
            looks.append((facings, at(minute)))
        if effect is Effect.MOVED and before.units is not None:
            agreeing = {moment for units, moment in looks[-confirmations:] if units == facings}
            assert len(agreeing) == confirmations


@given(COUNTS, CONFIRMATIONS)
def test_seen_at_never_goes_back(counts: list[tuple[int, int]], confirmations: int) -> None:
    level = Level(seen_at=START)
    for facings, minute in counts:
        after, effect = apply_count(level, seen(facings, minute), confirmations)
        assert after.seen_at is not None
        assert level.seen_at is not None
        assert after.seen_at >= level.seen_at
        assert (effect is Effect.LATE) == (seen(facings, minute).at < level.seen_at)
        level = after


@pytest.mark.parametrize("facings", [0, 1])
def test_a_level_of_none_is_not_a_level_of_zero(facings: int) -> None:
    level, effects = run(seen(facings, 0))

    assert effects == [Effect.MOVED]
    assert level == replace(Level(), units=facings, facings=facings, counted_at=at(0), seen_at=at(0))
