"""What a soak found, against the plan's truth: lost, doubled, wrong, and how often which fault was met."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from inventory_match.domain.events import EventType
from inventory_match.soak.plan import Plan
from inventory_match.soak.receivers import Post
from inventory_match.soak.subject import AT_REST, Facts


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one soak. `sound` where nothing was lost, doubled or wrong."""

    subject: str
    seed: int
    photos: int
    terminal: int
    lost: int
    doubled_ledger_rows: int
    missing_ledger_rows: int
    doubled_reorders: int
    missing_reorders: int
    wrong_levels: int
    alerts_expected: int
    alerts_received: int
    alerts_received_after_resend: int
    alert_ids_distinct: int
    posts_unverified: int
    seconds: float
    seconds_to_drain: float
    worker_peak_mib: float
    found_by_scan: int
    tried_again: int
    states: dict[str, int] = field(default_factory=dict)
    sabotage: dict[str, int] = field(default_factory=dict)
    s3_troubles: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    receiver: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)
    """A few of the rows that are missing."""

    @property
    def complaints(self) -> list[str]:
        """One sentence for each figure that must be 0 and is not."""
        bad = {
            "lost": self.lost,
            "doubled ledger rows": self.doubled_ledger_rows,
            "missing ledger rows": self.missing_ledger_rows,
            "doubled reorders": self.doubled_reorders,
            "missing reorders": self.missing_reorders,
            "wrong levels": self.wrong_levels,
            "alerts not received": self.alerts_expected - self.alerts_received,
            "alerts not received after a resend": self.alerts_expected - self.alerts_received_after_resend,
            "alerts under a second id": self.alert_ids_distinct - self.alerts_expected,
            "posts that did not verify": self.posts_unverified,
        }
        return [f"{what}: {number}" for what, number in bad.items() if number]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Course:
    """How the soak went, as far as it is no fact of the subject."""

    seconds: float
    seconds_to_drain: float
    peak_mib: float
    found_by_scan: int
    tried_again: int
    received_after_resend: int
    sabotage: Counter[str]
    troubles: Counter[str]
    told: Counter[str]
    moods: Counter[str]


def make_report(subject: str, plan: Plan, facts: Facts, posts: list[Post], course: Course) -> Report:
    """Compares facts with truth. A photo is lost where it has not exactly one photo at rest."""
    keys = [shot.key for shot in plan.shots]
    states = Counter(state for key in keys for state in facts.states.get(key, ()))
    at_rest = sum(_rests_once(facts, key) for key in keys)
    once = Counter(dict.fromkeys(facts.ledger, 1))
    untold = [f"{key} has no row for {sku}" for key, sku in sorted(_shown(plan) - facts.ledger.keys())]
    expected = expected_alerts(plan, facts)
    ids = {(post.message_id, post.type, post.about) for post in posts}
    return Report(
        subject=subject,
        seed=plan.seed,
        photos=len(keys),
        terminal=at_rest,
        lost=len(keys) - at_rest,
        doubled_ledger_rows=_over(facts.ledger, once) + _over(facts.received, plan.received),
        missing_ledger_rows=len(untold) + _over(plan.received, facts.received),
        doubled_reorders=_over(facts.reorders, plan.reorders),
        missing_reorders=_over(plan.reorders, facts.reorders),
        wrong_levels=sum(facts.levels.get(place) != units for place, units in plan.levels.items()),
        alerts_expected=expected.total(),
        alerts_received=received(expected, posts),
        alerts_received_after_resend=course.received_after_resend,
        alert_ids_distinct=len(ids),
        posts_unverified=sum(not post.verified for post in posts),
        seconds=round(course.seconds, 1),
        seconds_to_drain=round(course.seconds_to_drain, 1),
        worker_peak_mib=round(course.peak_mib, 1),
        found_by_scan=course.found_by_scan,
        tried_again=course.tried_again,
        states=dict(states),
        sabotage=dict(course.sabotage),
        s3_troubles=dict(course.troubles),
        events=dict(course.told),
        receiver=dict(course.moods),
        examples=untold[:5],
    )


def expected_alerts(plan: Plan, facts: Facts) -> Counter[tuple[str, str]]:
    """(type, sku or key): what stock must lead to, and a word for every photo that was given up."""
    return plan.alerts + Counter((str(EventType.PHOTO_DEAD), key) for key in facts.told_dead)


def received(expected: Counter[tuple[str, str]], posts: list[Post]) -> int:
    """Expected alerts that the receiver verified and took, each id once."""
    taken = Counter((kind, about) for _, kind, about in {(p.message_id, p.type, p.about) for p in posts if p.taken})
    return (expected & taken).total()


def _rests_once(facts: Facts, key: str) -> bool:
    states = facts.states.get(key, ())
    return len(states) == 1 and states[0] in AT_REST


def _shown(plan: Plan) -> set[tuple[str, str]]:
    """(key, sku) of every row that there must be: one a product that a photo shows."""
    return {(shot.key, sku) for shot in plan.shots for sku in shot.shows if sku is not None}


def _over(these: Any, those: Any) -> int:
    """How much there is more in these counts than in those."""
    return (Counter(these) - Counter(those)).total()
